package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"plimsoll/engine/feed/field"
)

// Plugin is somebody else's program that delivers a document of its own: an executable, or an HTTP endpoint.
type Plugin struct {
	Name    string   // of the feed, for messages
	Command []string // program and arguments; empty: URL
	Env     []string // NAME=value, besides PATH, LANG, TZ, HOME and TMPDIR; of an executable
	URL     string
	Header  map[string]string // of the request to URL
	Timeout time.Duration     // for all of it
	// Secrets are texts that must not show in errors.
	Secrets []string
}

// Ask sends a question to a plugin and brings its answer.
func (f *Fetcher) Ask(ctx context.Context, p Plugin, question []byte, progress func(done, total int64)) (*Document, error) {
	late := &Error{Kind: ErrUnreachable, Message: fmt.Sprintf("%s did not finish within its time limit of %s", p.Name, p.Timeout)}
	ctx, cancel := context.WithTimeoutCause(ctx, p.Timeout, late)
	defer cancel()
	t := &transfer{fetcher: f, shown: "plugin:" + p.Name}
	var err error
	if len(p.Command) > 0 {
		t.body, err = f.run(ctx, p, question)
	} else {
		t.body, err = f.post(ctx, p, question)
	}
	if err != nil {
		return nil, p.redact(err)
	}
	defer func() { _ = t.body.Close() }()
	doc, err := f.spool(ctx, t, progress)
	return doc, p.redact(err)
}

// redact takes the plugin's secrets out of a failure.
func (p Plugin) redact(err error) error {
	var known *Error
	if !errors.As(err, &known) {
		return err
	}
	out := *known
	for _, secret := range p.Secrets {
		if secret != "" {
			out.Message = strings.ReplaceAll(out.Message, secret, "[redacted]")
		}
	}
	return &out
}

func (f *Fetcher) post(ctx context.Context, p Plugin, question []byte) (*body, error) {
	address, err := url.Parse(p.URL)
	if err != nil {
		return nil, &Error{Kind: ErrResponse, Message: p.Name + ": its url is not an address"}
	}
	header := map[string]string{"Content-Type": "application/json"}
	for name, value := range p.Header {
		header[name] = value
	}
	b, err := f.http.open(ctx, request{address: address, header: header, method: http.MethodPost, question: question})
	if b != nil {
		b.etag, b.lastModified = "", "" // an answer is not taken up again where it broke off
	}
	return b, err
}

// maxReason is how much of the end of what a program writes to standard error is kept, in bytes.
const maxReason = 4 << 10

// drainTime is how long the pipes of a program that has ended are read at most.
const drainTime = 5 * time.Second

// program is a running executable; reading it to the end tells how it ended.
type program struct {
	name   string
	cmd    *exec.Cmd
	out    *os.File
	home   string
	reason tail
	ended  chan struct{} // closed when it and all it started are gone
	exit   error         // valid then
	stop   func() bool
}

// run starts an executable in a process group of its own, without a shell, in an empty folder that goes away with it. What it
// started ends when it ends.
func (f *Fetcher) run(ctx context.Context, p Plugin, question []byte) (*body, error) {
	path, err := exec.LookPath(p.Command[0])
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return nil, &Error{Kind: ErrResponse, Message: fmt.Sprintf("%s: there is no program %s", p.Name, p.Command[0])}
	}
	home, err := os.MkdirTemp(f.cfg.Scratch, "plugin-*")
	if err != nil {
		return nil, fmt.Errorf("create folder for %s: %w", p.Name, err)
	}
	run := &program{name: p.Name, home: home, ended: make(chan struct{})}
	run.cmd = &exec.Cmd{
		Path: path, Args: p.Command, Dir: home, Stdin: bytes.NewReader(question), SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
		Env: append([]string{"PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "TZ=UTC", "HOME=" + home, "TMPDIR=" + home}, p.Env...),
	}
	dieWithParent(run.cmd.SysProcAttr)
	if err := run.start(ctx); err != nil {
		_ = os.RemoveAll(home)
		return nil, &Error{Kind: ErrResponse, Message: fmt.Sprintf("%s: start %s: %v", p.Name, path, err)}
	}
	return &body{ReadCloser: run, size: -1}, nil
}

func (r *program) start(ctx context.Context) error {
	out, outEnd, err := os.Pipe()
	if err != nil {
		return err
	}
	notes, notesEnd, err := os.Pipe()
	if err != nil {
		return errors.Join(err, out.Close(), outEnd.Close())
	}
	r.out, r.cmd.Stdout, r.cmd.Stderr = out, outEnd, notesEnd
	started := make(chan error, 1)
	go func() {
		// The kernel ties the death of the parent to the thread that started the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := r.cmd.Start()
		_, _ = outEnd.Close(), notesEnd.Close()
		started <- err
		if err != nil {
			return
		}
		var read sync.WaitGroup
		read.Go(func() { _, _ = io.Copy(&r.reason, notes) })
		r.exit = r.cmd.Wait()
		r.kill()
		// What left the group may hold the pipes for ever; what was written to them before is read long before then.
		_ = errors.Join(out.SetReadDeadline(time.Now().Add(drainTime)), notes.SetReadDeadline(time.Now().Add(drainTime)))
		read.Wait()
		_ = notes.Close()
		close(r.ended)
	}()
	if err := <-started; err != nil {
		return errors.Join(err, out.Close(), notes.Close())
	}
	r.stop = context.AfterFunc(ctx, r.kill)
	return nil
}

// kill ends the program and everything in its process group; there may be nothing left to end.
func (r *program) kill() { _ = syscall.Kill(-r.cmd.Process.Pid, syscall.SIGKILL) }

// Read is an error at the end if the program failed: what it had written by then is not all of it.
func (r *program) Read(p []byte) (int, error) {
	n, err := r.out.Read(p)
	if err == nil || n > 0 {
		return n, nil
	}
	<-r.ended
	if r.exit == nil && errors.Is(err, io.EOF) {
		return 0, io.EOF
	}
	said := field.Prose(r.reason.String(), maxReason)
	switch {
	case r.exit == nil:
		return 0, &Error{Kind: ErrUnreachable, Message: r.name + " ended, and something it started keeps its output open"}
	case said == "":
		said = "it wrote nothing to standard error"
	}
	return 0, &Error{Kind: ErrUnreachable, Message: fmt.Sprintf("%s failed (%v): %s", r.name, r.exit, said)}
}

// Close ends the program if it still runs.
func (r *program) Close() error {
	select {
	case <-r.ended:
	default:
		r.kill()
		<-r.ended
	}
	r.stop()
	return errors.Join(r.out.Close(), os.RemoveAll(r.home))
}

// tail keeps the end of what is written to it.
type tail struct{ kept []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - maxReason; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string { return strings.ToValidUTF8(string(t.kept), "") }
