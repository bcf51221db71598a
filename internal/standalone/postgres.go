package standalone

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"plimsoll/internal/config"
)

// postgresName is the role and the database of the private cluster.
const postgresName = "plimsoll"

// startAttempts is how often a server is started when its port was taken in
// between, or when processes of a killed server still hold its shared memory.
const startAttempts = 20

// startPause lies between two such attempts.
const startPause = 500 * time.Millisecond

// postgres is the private cluster and its running server.
type postgres struct {
	process *process
	url     config.SecretURL
}

// startPostgres makes the cluster the first time, starts it and makes sure
// the database exists.
func startPostgres(ctx context.Context, dir string, cfg Config, say func(string, ...any)) (*postgres, error) {
	began := time.Now()
	cluster := filepath.Join(dir, "postgres")
	wanted, err := clusterVersion(cluster)
	if err != nil {
		return nil, err
	}
	install, err := findPostgres(ctx, cfg.PostgresBinDir, wanted)
	if err != nil {
		return nil, err
	}
	id, err := postgresIdentity(cluster)
	if err != nil {
		return nil, err
	}
	passwordFile := filepath.Join(dir, "postgres-password")
	if _, err := os.Stat(passwordFile); wanted != 0 && err != nil {
		return nil, fmt.Errorf("the password of the cluster in %s is lost; restore the file: %w", cluster, err)
	}
	password, err := keptSecret(passwordFile, randomPassword)
	if err != nil {
		return nil, err
	}
	if wanted == 0 {
		say("PostgreSQL   creating a cluster with %s", install.program("initdb"))
		if err := initCluster(ctx, install, id, dir, cluster, password); err != nil {
			return nil, err
		}
	}
	if err := clearPostmaster(ctx, cluster, cfg.StopTimeout); err != nil {
		return nil, err
	}
	pg, port, err := runPostgres(ctx, install, id, dir, cluster, password, cfg.StartTimeout)
	if err != nil {
		return nil, err
	}
	say("PostgreSQL   %s ready on 127.0.0.1:%d after %s", install.version, port, since(began))
	return pg, nil
}

// initCluster builds the cluster under another name first, so that a cluster
// with its final name is always whole.
func initCluster(ctx context.Context, install postgresInstall, id identity, dir, cluster string, password config.Secret) error {
	fresh, passwordFile := cluster+".new", filepath.Join(dir, "initdb-password")
	if err := errors.Join(os.RemoveAll(fresh), os.Mkdir(fresh, 0o700), id.own(fresh)); err != nil {
		return fmt.Errorf("create cluster folder: %w", err)
	}
	if err := errors.Join(writeWhole(passwordFile, password.Reveal()+"\n"), id.own(passwordFile)); err != nil {
		return fmt.Errorf("hand over database password: %w", err)
	}
	// The C locale sorts by code point on every machine and never changes with
	// an upgrade of the system's libraries, which would corrupt text indexes.
	cmd := exec.CommandContext(ctx, install.program("initdb"), "-D", fresh, "-U", postgresName, "--auth=scram-sha-256",
		"--pwfile="+passwordFile, "--encoding=UTF8", "--no-locale")
	// The child is let past closed folders only once it runs, not while it is
	// being started there: it begins in a folder open to all.
	cmd.Dir, cmd.Env = "/", childEnviron(fresh)
	attr, err := id.attributes(fresh)
	if err != nil {
		return err
	}
	cmd.SysProcAttr = attr
	p, err := launch("initdb", cmd, filepath.Join(dir, "log", "initdb.log"), syscall.SIGKILL)
	if err != nil {
		return identityFault(err, id, dir)
	}
	<-p.done
	if err := os.Remove(passwordFile); err != nil {
		return fmt.Errorf("remove database password: %w", err)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("create PostgreSQL cluster: %w", context.Cause(ctx))
	}
	if p.exit != nil {
		return fmt.Errorf("create PostgreSQL cluster in %s: %w; initdb said:\n%s", fresh, p.exit, p.tail())
	}
	if err := os.Rename(fresh, cluster); err != nil {
		return fmt.Errorf("finish cluster: %w", err)
	}
	return nil
}

// identityFault explains the refusal to start a child as another user.
func identityFault(err error, id identity, dir string) error {
	if !id.switched || !errors.Is(err, os.ErrPermission) {
		return err
	}
	return fmt.Errorf("%w: root must run PostgreSQL as user id %d and let it pass the folders above %s, which this machine does not permit; choose a data directory below folders open to all (mode 0755, such as /var/lib/plimsoll), or run as an ordinary user",
		err, id.uid, dir)
}

// clearPostmaster ends a server left by a killed parent. A pid file whose
// number now belongs to some other program is removed, since PostgreSQL would
// take that program for a running server; a pid file of a dead process stays,
// as PostgreSQL itself checks the shared memory it names.
func clearPostmaster(ctx context.Context, cluster string, patience time.Duration) error {
	pidFile := filepath.Join(cluster, "postmaster.pid")
	foreign, err := endLeftover(ctx, pidFile, "-D "+cluster+" ", syscall.SIGINT, patience)
	if err != nil {
		return fmt.Errorf("take over the database: %w", err)
	}
	if !foreign {
		return nil
	}
	if err := os.Remove(pidFile); err != nil {
		return fmt.Errorf("remove stale pid file: %w", err)
	}
	return nil
}

func runPostgres(ctx context.Context, install postgresInstall, id identity, dir, cluster string, password config.Secret, limit time.Duration) (*postgres, int, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("waited for %s", limit))
	defer cancel()
	for attempt := 1; ; attempt++ {
		port, err := freePort(ctx)
		if err != nil {
			return nil, 0, err
		}
		pg, err := launchPostgres(ctx, install, id, dir, cluster, password, port)
		if err != nil {
			return nil, 0, err
		}
		err = pg.process.await(ctx, func(ctx context.Context) error { return ensureDatabase(ctx, pg.url) })
		if err == nil {
			return pg, port, nil
		}
		stopErr := pg.stop(startPause)
		if attempt == startAttempts || !passing(err) {
			return nil, 0, errors.Join(err, stopErr)
		}
		select {
		case <-ctx.Done():
			return nil, 0, err
		case <-time.After(startPause):
		}
	}
}

// passing reports whether the server's output names a fault that passes.
func passing(err error) bool {
	for _, text := range []string{"Address already in use", "pre-existing shared memory block"} {
		if strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}

func launchPostgres(ctx context.Context, install postgresInstall, id identity, dir, cluster string, password config.Secret, port int) (*postgres, error) {
	cmd := exec.CommandContext(context.WithoutCancel(ctx), install.program("postgres"), "-D", cluster,
		"-c", "listen_addresses=127.0.0.1",
		"-c", "port="+strconv.Itoa(port),
		"-c", "unix_socket_directories=",
		"-c", "logging_collector=off",
		"-c", "timezone=UTC",
		"-c", "log_timezone=UTC")
	cmd.Dir, cmd.Env = "/", childEnviron(cluster)
	attr, err := id.attributes(cluster)
	if err != nil {
		return nil, err
	}
	cmd.SysProcAttr = attr
	// SIGQUIT makes PostgreSQL leave at once; the next start replays its log.
	p, err := launch("PostgreSQL", cmd, filepath.Join(dir, "log", "postgres.log"), syscall.SIGQUIT)
	if err != nil {
		return nil, identityFault(err, id, dir)
	}
	address := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(postgresName, password.Reveal()),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
		Path:     "/" + postgresName,
		RawQuery: "sslmode=disable",
	}
	return &postgres{process: p, url: config.SecretURL(address.String())}, nil
}

// ensureDatabase connects to the maintenance database and creates ours when it
// is missing. It fails while the server is starting.
func ensureDatabase(ctx context.Context, address config.SecretURL) error {
	cfg, err := pgx.ParseConfig(address.Reveal())
	if err != nil {
		return fmt.Errorf("parse database address: %w", err)
	}
	cfg.Database = "postgres"
	cfg.ConnectTimeout = 5 * time.Second
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var exists bool
	err = conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = @name)`,
		pgx.StrictNamedArgs{"name": postgresName}).Scan(&exists)
	if err != nil || exists {
		return err
	}
	_, err = conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{postgresName}.Sanitize()+" TEMPLATE template0")
	return err
}

// stop asks for a fast shutdown, then for an immediate one.
func (pg *postgres) stop(patience time.Duration) error {
	return pg.process.stop(patience, syscall.SIGINT, syscall.SIGQUIT)
}

// since is a duration for people.
func since(began time.Time) time.Duration { return time.Since(began).Round(10 * time.Millisecond) }
