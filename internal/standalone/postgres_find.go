package standalone

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// oldestPostgres is the oldest major version that the schema supports.
const oldestPostgres = 13

// ErrMissing means that a program this machine needs is not installed.
var ErrMissing = errors.New("program is missing")

// postgresPlaces are where packages put the server binaries, which on Debian
// are not on PATH.
var postgresPlaces = []string{
	"/usr/lib/postgresql/*/bin",
	"/usr/pgsql-*/bin",
	"/opt/homebrew/opt/postgresql@*/bin",
	"/usr/local/opt/postgresql@*/bin",
	"/Applications/Postgres.app/Contents/Versions/*/bin",
}

// postgresInstall is one set of server binaries.
type postgresInstall struct {
	dir     string
	major   int
	version string
}

func (i postgresInstall) program(name string) string { return filepath.Join(i.dir, name) }

var postgresVersion = regexp.MustCompile(`\(PostgreSQL\) ((\d+)\S*)`)

// findPostgres returns the binaries to use. A cluster of major version wanted
// needs exactly that one; 0 means there is no cluster and the newest will do.
func findPostgres(ctx context.Context, configured string, wanted int) (postgresInstall, error) {
	dirs := []string{configured}
	if configured == "" {
		dirs = filepath.SplitList(os.Getenv("PATH"))
		for _, place := range postgresPlaces {
			found, err := filepath.Glob(place)
			if err != nil {
				return postgresInstall{}, fmt.Errorf("search %s: %w", place, err)
			}
			dirs = append(dirs, found...)
		}
	}
	var installs []postgresInstall
	for _, dir := range dirs {
		if install, ok := inspectPostgres(ctx, dir); ok {
			installs = append(installs, install)
		}
	}
	slices.SortStableFunc(installs, func(a, b postgresInstall) int { return b.major - a.major })
	for _, install := range installs {
		if install.major == wanted || wanted == 0 && install.major >= oldestPostgres {
			return install, nil
		}
	}
	return postgresInstall{}, missingPostgres(configured, wanted, installs)
}

func inspectPostgres(ctx context.Context, dir string) (postgresInstall, bool) {
	if dir == "" {
		return postgresInstall{}, false
	}
	// On Debian a link in /usr/local/bin may lead to the versioned folder, and
	// initdb wants to find its siblings.
	server, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres"))
	if err != nil {
		return postgresInstall{}, false
	}
	install := postgresInstall{dir: filepath.Dir(server)}
	if _, err := os.Stat(install.program("initdb")); err != nil {
		return postgresInstall{}, false
	}
	out, err := exec.CommandContext(ctx, server, "--version").Output() //nolint:gosec // PATH and the configuration name the program; no shell is involved
	if err != nil {
		return postgresInstall{}, false
	}
	match := postgresVersion.FindStringSubmatch(string(out))
	if match == nil {
		return postgresInstall{}, false
	}
	install.version = match[1]
	install.major, err = strconv.Atoi(match[2])
	return install, err == nil
}

func missingPostgres(configured string, wanted int, found []postgresInstall) error {
	where := "PATH and " + strings.Join(postgresPlaces, ", ")
	if configured != "" {
		where = configured
	}
	seen := "none"
	if len(found) > 0 {
		versions := make([]string, len(found))
		for i, install := range found {
			versions[i] = install.version
		}
		seen = strings.Join(slices.Compact(versions), ", ")
	}
	if wanted != 0 {
		return fmt.Errorf("%w: the data directory holds a PostgreSQL %d cluster, whose server is not in %s (found: %s); install package postgresql-%d",
			ErrMissing, wanted, where, seen, wanted)
	}
	return fmt.Errorf("%w: no PostgreSQL %d or newer in %s (found: %s); run `make setup`, or install package postgresql (Debian, Ubuntu) or postgresql@16 (Homebrew), or set PLIMSOLL_DATABASE_URL to use a server elsewhere",
		ErrMissing, oldestPostgres, where, seen)
}

// clusterVersion returns the major version of the cluster, 0 if there is none.
func clusterVersion(cluster string) (int, error) {
	path := filepath.Join(cluster, "PG_VERSION")
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read cluster version: %w", err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("read cluster version in %s: %w", path, err)
	}
	return major, nil
}
