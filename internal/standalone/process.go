package standalone

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// pollInterval is how often a starting server is asked whether it is ready.
	pollInterval = 100 * time.Millisecond
	// maxLogBytes is the size above which a log starts anew at the next start.
	maxLogBytes = 16 << 20
	// tailBytes is how much of a dead child's output its error repeats.
	tailBytes = 2 << 10
	// firstBytes is how much of its output is searched for why it could not start.
	firstBytes = 64 << 10
)

// process is a child that is started once and waited for once.
type process struct {
	name    string
	cmd     *exec.Cmd
	log     string
	logFrom int64
	done    chan struct{} // closed when the child has ended
	exit    error         // valid after done
}

// launch starts cmd with its output appended to the file log. The child gets
// its own process group, so that Ctrl-C in a terminal reaches only the parent,
// which then ends the children in order.
func launch(name string, cmd *exec.Cmd, log string, orphanSignal syscall.Signal) (*process, error) {
	out, err := OpenLog(log)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer out.Close()
	from, err := out.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	cmd.Stdout, cmd.Stderr = out, out
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	dieWithParent(cmd.SysProcAttr, orphanSignal)

	p := &process{name: name, cmd: cmd, log: log, logFrom: from, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// The kernel ties the orphan signal to the thread that started the
		// child, hence one thread stays with each child for its whole life.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.exit = cmd.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

// OpenLog opens a log for appending; one that has grown large starts anew.
func OpenLog(path string) (*os.File, error) {
	flags := os.O_WRONLY | os.O_CREATE | os.O_APPEND
	if info, err := os.Stat(path); err == nil && info.Size() > maxLogBytes {
		flags |= os.O_TRUNC
	}
	return os.OpenFile(path, flags, 0o600)
}

// ended describes how the child ended, with the end of its output.
func (p *process) ended() error {
	how := "ended"
	if p.exit != nil {
		how = p.exit.Error()
	}
	return fmt.Errorf("%s stopped by itself (%s); the end of %s:\n%s", p.name, how, p.log, p.tail())
}

// tail returns the last lines the child wrote since it was launched.
func (p *process) tail() string {
	f, err := os.Open(p.log)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err.Error()
	}
	from := max(p.logFrom, size-tailBytes)
	text := make([]byte, size-from)
	n, _ := f.ReadAt(text, from)
	return strings.TrimSpace(string(text[:n]))
}

// said reports whether the child wrote text in its first words since it was launched.
func (p *process) said(text string) bool {
	f, err := os.Open(p.log)
	if err != nil {
		return false
	}
	defer f.Close()
	words := make([]byte, firstBytes)
	n, _ := f.ReadAt(words, p.logFrom)
	return strings.Contains(string(words[:n]), text)
}

// await polls ready until it succeeds, the child ends or ctx is over.
func (p *process) await(ctx context.Context, ready func(context.Context) error) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return p.ended()
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w (last answer: %w); see %s", p.name, context.Cause(ctx), err, p.log)
		case <-tick.C:
		}
	}
}

// stop sends the signals one after the other, giving the child patience after
// each, and at last kills it. It returns once the child is gone.
func (p *process) stop(patience time.Duration, signals ...syscall.Signal) error {
	for _, signal := range signals {
		if err := p.cmd.Process.Signal(signal); errors.Is(err, os.ErrProcessDone) {
			break
		}
		select {
		case <-p.done:
			return nil
		case <-time.After(patience):
		}
	}
	select {
	case <-p.done:
		return nil
	default:
	}
	err := p.cmd.Process.Kill()
	<-p.done
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s: %w", p.name, err)
	}
	return fmt.Errorf("%s did not stop in time and was killed", p.name)
}

// endLeftover ends a child of an earlier run that is still alive, which can
// happen right after its parent was killed. The pid in the file counts only
// when that process has marker on its command line: pids are reused. It
// reports whether the file names a living process that is not ours.
func endLeftover(ctx context.Context, pidFile, marker string, signal syscall.Signal, patience time.Duration) (foreign bool, err error) {
	text, err := os.ReadFile(pidFile)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read pid file: %w", err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil || pid <= 1 {
		return false, nil
	}
	ours := func() bool { return strings.Contains(commandLine(pid), marker) }
	if !ours() {
		return syscall.Kill(pid, 0) == nil || errors.Is(syscall.Kill(pid, 0), syscall.EPERM), nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		return false, fmt.Errorf("end process %d left by an earlier run: %w", pid, err)
	}
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for ours() {
		select {
		case <-ctx.Done():
			return false, fmt.Errorf("process %d of an earlier run does not end; end it by hand", pid)
		case <-tick.C:
		}
	}
	return false, nil
}

// freePort returns a loopback TCP port that was free a moment ago.
func freePort(ctx context.Context) (int, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	return strconv.Atoi(port)
}

// childEnviron is all that a child sees of our environment: no setting of ours
// and no variable such as PGDATA may reach it.
func childEnviron(home string) []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + filepath.Clean(os.TempDir()), "LC_ALL=C", "TZ=UTC"}
}
