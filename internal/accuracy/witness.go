package main

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	rpmdb "github.com/knqyf263/go-rpmdb/pkg"
)

// errAbsent says that the witness's program is not on this machine.
var errAbsent = errors.New("not installed")

// witness is an independent source of the packages of some types.
type witness struct {
	name  string
	kinds []string
	// list returns what lies below a root, or for rpm in the database file.
	list func(ctx context.Context, root string) (found, error)
}

func (w witness) ask(ctx context.Context, s *subject) (found, error) {
	theirs, err := w.list(ctx, s.root)
	if errors.Is(err, exec.ErrNotFound) {
		return nil, errAbsent
	}
	if err == nil {
		s.heard[w.name] = true
	}
	return theirs, err
}

// output runs a program and returns its lines. Programs such as npm end with an error status and a full answer:
// lenient takes that.
func output(ctx context.Context, lenient bool, program string, args ...string) ([]string, error) {
	text, err := exec.CommandContext(ctx, program, args...).Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && (!lenient || len(text) == 0) {
		return nil, fmt.Errorf("%s: %w: %s", program, err, bytes.TrimSpace(exit.Stderr))
	} else if err != nil && exit == nil {
		return nil, err
	}
	return strings.Split(strings.TrimRight(string(text), "\n"), "\n"), nil
}

// columns takes lines of kind, name and version between tabs.
func columns(lines []string) found {
	all := found{}
	for _, l := range lines {
		if parts := strings.Split(l, "\t"); len(parts) == 3 {
			all.add(parts[0], parts[1], parts[2])
		}
	}
	return all
}

func dpkgQuery() witness {
	return witness{"dpkg-query", []string{"dpkg"}, func(ctx context.Context, root string) (found, error) {
		lines, err := output(ctx, false, "dpkg-query", "--admindir="+filepath.Join(root, "var/lib/dpkg"),
			"--showformat=${db:Status-Status}\t${Package}\t${Version}\n", "--show")
		if err != nil {
			return nil, err
		}
		all := columns(lines)
		return found{"dpkg": all["installed"]}, nil
	}}
}

func rpmQuery() witness {
	return witness{"rpm", []string{"rpm"}, func(ctx context.Context, file string) (found, error) {
		// rpm wants to write beside the database: it gets a copy.
		dir, err := os.MkdirTemp("", "accuracy-rpm-*")
		if err != nil {
			return nil, err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), content, 0o600); err != nil { //nolint:gosec // a name from the module cache
			return nil, err
		}
		backend := map[string]string{"Packages": "bdb_ro", "rpmdb.sqlite": "sqlite"}[filepath.Base(file)]
		lines, err := output(ctx, false, "rpm", "--dbpath="+dir, "--define=_db_backend "+backend, "--nosignature", "--nodigest",
			"--query", "--all", "--queryformat=rpm\t%{NAME}\t%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\n")
		if err != nil {
			return nil, err
		}
		return packagesOnly(columns(lines)), nil
	}}
}

// rpmLibrary is go-rpmdb.
func rpmLibrary() witness {
	return witness{"go-rpmdb", []string{"rpm"}, func(_ context.Context, file string) (found, error) {
		db, err := rpmdb.Open(file)
		if err != nil {
			return nil, err
		}
		defer db.Close()
		packages, err := db.ListPackages()
		if err != nil {
			return nil, err
		}
		all := found{}
		for _, p := range packages {
			version := p.Version + "-" + p.Release
			if p.Epoch != nil {
				version = fmt.Sprint(*p.Epoch, ":", version)
			}
			all.add("rpm", p.Name, version)
		}
		return packagesOnly(all), nil
	}}
}

// packagesOnly drops the keys rpm keeps among its packages, and an epoch of zero, which rpm takes for none.
func packagesOnly(all found) found {
	kept := found{}
	for p := range all["rpm"] {
		name, version, _ := strings.Cut(p, " ")
		if name != "gpg-pubkey" {
			kept.add("rpm", name, strings.TrimPrefix(version, "0:"))
		}
	}
	return kept
}

//go:embed metadata.py
var pythonScript string

func pythonMetadata() witness {
	return witness{"importlib.metadata", []string{"python"}, func(ctx context.Context, root string) (found, error) {
		lines, err := output(ctx, false, "python3", "-c", pythonScript, root)
		return columns(lines), err
	}}
}

//go:embed specifications.rb
var rubyScript string

func rubyGems() witness {
	return witness{"gem", []string{"gem"}, func(ctx context.Context, root string) (found, error) {
		lines, err := output(ctx, false, "ruby", "-e", rubyScript, root)
		return columns(lines), err
	}}
}

// npmList asks npm about every project: a directory with node_modules that lies in no other one's.
func npmList() witness {
	return witness{"npm", []string{"npm"}, func(ctx context.Context, root string) (found, error) {
		all := found{}
		err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
			if err != nil || !d.IsDir() || d.Name() != "node_modules" {
				return err
			}
			lines, err := output(ctx, true, "npm", "ls", "--all", "--parseable", "--long", "--prefix", filepath.Dir(p))
			if err != nil {
				return err
			}
			for _, l := range lines { // path:name@version, then remarks
				parts := strings.Split(l, ":")
				if len(parts) < 2 || !strings.HasPrefix(parts[0], p+"/") {
					continue
				}
				if at := strings.LastIndexByte(parts[1], '@'); at > 0 {
					all.add("npm", parts[1][:at], parts[1][at+1:])
				}
			}
			return filepath.SkipDir
		})
		return all, err
	}}
}

// goVersion reads what go version -m prints: the main module and its dependencies, replaced ones as replaced.
func goVersion() witness {
	return witness{"go version", []string{"go"}, func(ctx context.Context, root string) (found, error) {
		lines, err := output(ctx, true, "go", "version", "-m", root)
		if err != nil {
			return nil, err
		}
		all := found{}
		var previous [2]string
		for _, l := range lines {
			if !strings.HasPrefix(l, "\t") {
				if i := strings.LastIndex(l, ": go"); i >= 0 {
					all.add("go", "stdlib", strings.Fields(l[i+4:])[0])
				}
				continue
			}
			f := strings.Fields(l)
			switch {
			case len(f) >= 3 && (f[0] == "mod" || f[0] == "dep"):
				all.add("go", f[1], f[2])
				previous = [2]string{f[1], f[2]}
			case len(f) >= 3 && f[0] == "=>":
				delete(all["go"], previous[0]+" "+previous[1])
				all.add("go", f[1], f[2])
			}
		}
		return all, nil
	}}
}

// syftTypes are syft's words for package types.
var syftTypes = map[string]string{
	"deb": "dpkg", "apk": "apkg", "rpm": "rpm", "npm": "npm", "python": "python", "gem": "gem", "java-archive": "java",
	"jenkins-plugin": "java", "go-module": "go", "rust-crate": "rust", "dotnet": "nuget", "php-composer": "composer", "binary": "binary",
}

func syft(program string) witness {
	kinds := []string{"dpkg", "npm", "python", "gem", "java", "go", "rust", "nuget", "composer", "binary"}
	return witness{"syft", kinds, func(ctx context.Context, root string) (found, error) {
		cmd := exec.CommandContext(ctx, program, "scan", "dir:"+root, "--quiet", "--output", "json", "--override-default-catalogers", "image")
		cmd.Env = append(os.Environ(), "SYFT_CHECK_FOR_APP_UPDATE=false", "SYFT_FILE_METADATA_SELECTION=none")
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			return nil, err
		}
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		var document struct {
			Artifacts []struct{ Name, Version, Type string }
		}
		decodeErr := json.NewDecoder(bufio.NewReaderSize(stdout, 1<<20)).Decode(&document)
		if err := errors.Join(decodeErr, cmd.Wait()); err != nil {
			return nil, err
		}
		all := found{}
		for _, a := range document.Artifacts {
			if kind, ok := syftTypes[a.Type]; ok {
				all.add(kind, a.Name, strings.TrimPrefix(a.Version, "go"))
			}
		}
		return all, nil
	}}
}
