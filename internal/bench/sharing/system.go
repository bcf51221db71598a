package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"time"

	"plimsoll/api/client"
)

const (
	readyTimeout    = 3 * time.Minute
	analysisTimeout = 30 * time.Minute
	stopTimeout     = 45 * time.Second
	pause           = 50 * time.Millisecond // between two questions; part of what is measured
	password        = "bench-admin-password"
)

// system is a running plimsoll standalone.
type system struct {
	cmd  *exec.Cmd
	api  *client.ClientWithResponses
	done chan struct{}
}

// startSystem starts bin/plimsoll on free ports and waits until it is ready.
func startSystem(ctx context.Context, dataDir string) (*system, error) {
	var ports [3]string
	for i := range ports {
		address, err := free(ctx)
		if err != nil {
			return nil, err
		}
		ports[i] = address
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), "bin/plimsoll", "standalone", "--data-dir", dataDir)
	cmd.Env = append(os.Environ(), "PLIMSOLL_API_ADDR="+ports[0], "PLIMSOLL_UI_ADDR="+ports[1], "PLIMSOLL_TEMPORAL_UI_ADDR="+ports[2],
		"PLIMSOLL_ADMIN_PASSWORD="+password, "PLIMSOLL_FEEDS_ENABLED=false", "PLIMSOLL_LOG_LEVEL=error")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start bin/plimsoll (make build makes it): %w", err)
	}
	s := &system{cmd: cmd, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(s.done)
	}()
	var err error
	s.api, err = client.NewClientWithResponses("http://"+ports[0]+"/v2", client.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.SetBasicAuth("admin", password)
		return nil
	}))
	if err == nil {
		err = s.ready(ctx)
	}
	if err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

func free(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

func (s *system) ready(ctx context.Context) error {
	return s.until(ctx, readyTimeout, "the system is ready", func(ctx context.Context) (bool, error) {
		r, err := s.api.GetSystemWithResponse(ctx)
		if err != nil || r.JSON200 == nil {
			return false, nil //nolint:nilerr // not listening yet
		}
		for _, service := range r.JSON200.ServiceStates {
			if service.ServiceName == "analyzer" && service.ServiceDetail.Up {
				return true, nil
			}
		}
		return false, nil
	})
}

// analyze submits an image and waits for its analysis.
func (s *system) analyze(ctx context.Context, reference string) error {
	body := client.AddImageJSONRequestBody{Source: client.ImageSource{Tag: &client.RegistryTagSource{PullString: reference}}}
	added, err := s.api.AddImageWithResponse(ctx, nil, body)
	if err != nil {
		return fmt.Errorf("submit %s: %w", reference, err)
	}
	if added.JSON200 == nil {
		return fmt.Errorf("submit %s: %w", reference, client.Failure(added.StatusCode(), added.Body))
	}
	digest := added.JSON200.ImageDigest
	return s.until(ctx, analysisTimeout, reference+" is analysed", func(ctx context.Context) (bool, error) {
		r, err := s.api.GetImageWithResponse(ctx, digest, nil)
		if err != nil {
			return false, fmt.Errorf("look at %s: %w", reference, err)
		}
		if r.JSON200 == nil {
			return false, fmt.Errorf("look at %s: %w", reference, client.Failure(r.StatusCode(), r.Body))
		}
		switch r.JSON200.AnalysisStatus {
		case "analyzed":
			return true, nil
		case "analysis_failed":
			return false, fmt.Errorf("the analysis of %s failed", reference)
		}
		return false, nil
	})
}

func (s *system) until(ctx context.Context, limit time.Duration, what string, ask func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		if yes, err := ask(ctx); err != nil || yes {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until %s: %w", what, ctx.Err())
		case <-s.done:
			return fmt.Errorf("wait until %s: plimsoll ended", what)
		case <-tick.C:
		}
	}
}

func (s *system) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.done:
	case <-time.After(stopTimeout):
		_ = s.cmd.Process.Kill()
		<-s.done
	}
}
