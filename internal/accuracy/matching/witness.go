package matching

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/package-url/packageurl-go"
)

// Witness is another scanner.
type Witness struct {
	Name string
	// Knows reports whether the scanner has a way to be told records of an ecosystem, and to judge its packages by them.
	Knows func(ecosystem string) bool
	// Ask returns its findings. Archives lie at records/<Ecosystem>/all.zip; scratch is a folder of its own.
	Ask func(ctx context.Context, records, scratch string, documents []Document) (Answers, error)
}

// OSVScanner asks the program osv-scanner, offline. Its list of findings comes from the JSON it writes, the fixes from the
// report for people, which alone has them. It reads no rpm package from a document: for those its matching library is asked
// by the program osv-rpm of internal/accuracy/oracle/osvscanner, which knows no fixes.
func OSVScanner(program, rpm string) Witness {
	return Witness{
		Name:  nameOSV,
		Knows: func(ecosystem string) bool { return ecosystem != "Bitnami" },
		Ask: func(ctx context.Context, records, scratch string, documents []Document) (Answers, error) {
			all := Answers{}
			if err := os.Symlink(records, filepath.Join(scratch, "osv-scalibr")); err != nil {
				return nil, err
			}
			for i := range documents {
				d := &documents[i]
				name, _, _ := strings.Cut(d.Ecosystem, ":")
				scan, with := osvScan, program
				if distros[name].kind == packageurl.TypeRPM {
					scan, with = osvLibrary, rpm
				}
				if err := scan(ctx, with, scratch, d, all); err != nil {
					return nil, fmt.Errorf("osv-scanner: %s: %w", d.Name, err)
				}
			}
			return all, nil
		},
	}
}

type osvPackage struct {
	Name      string `json:"name"`
	Version   string `json:"version"`
	Ecosystem string `json:"ecosystem"`
}

// osvOwn are the ecosystems of which osv-scanner reads its own form of package lists.
var osvOwn = []string{"crates.io", "Go", "Maven", "npm", "NuGet", "Packagist", "Pub", "PyPI", "RubyGems"}

// osvScan hands the packages over in a form the scanner reads the ecosystem from.
func osvScan(ctx context.Context, program, scratch string, d *Document, all Answers) error {
	parser, file, text := "osv-scanner:", "osv-scanner-custom.json", d.Body
	if slices.Contains(osvOwn, d.Ecosystem) {
		var err error
		if text, err = osvList(d); err != nil {
			return err
		}
	} else {
		parser, file = "", "drawn.cdx.json"
	}
	input := filepath.Join(scratch, file)
	if err := os.WriteFile(input, text, 0o600); err != nil {
		return err
	}
	report, err := osvRun(ctx, program, scratch, parser+input, "json")
	if err != nil {
		return err
	}
	people, err := osvRun(ctx, program, scratch, parser+input, "vertical")
	if err != nil {
		return err
	}
	return readOSV(d, report, people, all)
}

func osvList(d *Document) ([]byte, error) {
	var packages []map[string]osvPackage
	for _, s := range d.Subjects {
		packages = append(packages, map[string]osvPackage{"package": {s.Name, s.Version, d.Ecosystem}})
	}
	return json.Marshal(map[string]any{"results": []any{map[string]any{
		"source": map[string]string{"path": "drawn", "type": "lockfile"}, "packages": packages,
	}}})
}

// osvLibrary asks about one package a line, and hears one finding a line.
func osvLibrary(ctx context.Context, program, scratch string, d *Document, all Answers) error {
	name, release, _ := strings.Cut(d.Ecosystem, ":")
	var list strings.Builder
	for _, s := range d.Subjects {
		fmt.Fprintf(&list, "%s\t%s\n", s.Name, s.Version)
	}
	cmd := exec.CommandContext(ctx, program, "-records", scratch, "-id", distros[name].id, "-release", release)
	cmd.Stdin = strings.NewReader(list.String())
	text, err := cmd.Output()
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		columns := strings.Split(strings.TrimRight(line, "\n"), "\t")
		if len(columns) != 3 {
			return fmt.Errorf("not three columns: %q", line)
		}
		all.Add(Subject{d.Ecosystem, columns[0], columns[1]}, Finding{IDs: []string{columns[2]}, NoFixes: true})
	}
	return nil
}

// osvRun runs the scanner; status 1 says that something was found.
func osvRun(ctx context.Context, program, scratch, lockfile, format string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, program, "scan", "source", "--offline", "--offline-vulnerabilities", "--local-db-path", scratch,
		"--all-vulns", "--format", format, "--lockfile", lockfile)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 1 {
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, bytes.TrimSpace(said.Bytes()))
	}
	return out.Bytes(), nil
}

var (
	osvHeading = regexp.MustCompile(`^  (\S.*) has the following .*vulnerabilities:$`)
	osvID      = regexp.MustCompile(`^    (\S+): `)
	osvFix     = regexp.MustCompile(`Minimal Fix Version: '(.*)';$`)
	colour     = regexp.MustCompile("\x1b\\[[0-9;]*m")
)

// readOSV joins the two reports: a group of names is one finding, its fix that of the first name.
func readOSV(d *Document, report, people []byte, all Answers) error {
	fixes := map[string]string{} // by package and id
	heading, id := "", ""
	for line := range strings.Lines(colour.ReplaceAllString(string(people), "")) {
		line = strings.TrimRight(line, "\n")
		if m := osvHeading.FindStringSubmatch(line); m != nil {
			heading = m[1]
		} else if m := osvID.FindStringSubmatch(line); m != nil {
			id = m[1]
		} else if m := osvFix.FindStringSubmatch(line); m != nil {
			fixes[heading+"\x00"+id] = m[1]
		}
	}
	var parsed struct {
		Results []struct {
			Packages []struct {
				Package osvPackage `json:"package"`
				Groups  []struct {
					IDs []string `json:"ids"`
				} `json:"groups"`
			} `json:"packages"`
		} `json:"results"`
	}
	if err := json.Unmarshal(report, &parsed); err != nil {
		return fmt.Errorf("read report: %w", err)
	}
	for _, r := range parsed.Results {
		for _, p := range r.Packages {
			s := Subject{d.Ecosystem, p.Package.Name, p.Package.Version}
			for _, g := range p.Groups {
				f := Finding{IDs: withoutView(g.IDs), FixesOf: withoutView(g.IDs[:1])}
				fix, ok := fixes[p.Package.Name+"@"+p.Package.Version+"\x00"+g.IDs[0]]
				if !ok {
					return fmt.Errorf("no fix line about %s of %v", g.IDs[0], s)
				}
				if strings.ContainsAny(fix, "0123456789") {
					f.Fixes = []string{fix}
				}
				all.Add(s, f)
			}
		}
	}
	return nil
}

// view is what OSV puts before a CVE's name where somebody else than the CVE's record speaks ("DEBIAN-", "EEF-").
var view = regexp.MustCompile(`^[A-Z]+-(CVE-.*)$`)

// withoutView adds the CVE's own names: ours are those.
func withoutView(ids []string) []string {
	out := slices.Clone(ids)
	for _, id := range ids {
		if m := view.FindStringSubmatch(id); m != nil {
			out = append(out, m[1])
		}
	}
	return out
}

// Grype asks the program of internal/accuracy/oracle/grype.
func Grype(program string) Witness {
	// Distributions that Grype judges by the data of another one, and ecosystems it has no matcher for.
	without := []string{"Rocky Linux", "CRAN"}
	return Witness{
		Name: nameGrype,
		Knows: func(ecosystem string) bool {
			name, _, _ := strings.Cut(ecosystem, ":")
			return !slices.Contains(without, name)
		},
		Ask: func(ctx context.Context, records, scratch string, documents []Document) (Answers, error) {
			args := []string{"-records", records, "-work", filepath.Join(scratch, "work"), "-out", scratch}
			for _, d := range documents {
				file := filepath.Join(scratch, d.Name+".json")
				if err := os.WriteFile(file, d.Body, 0o600); err != nil {
					return nil, err
				}
				args = append(args, file)
			}
			if text, err := exec.CommandContext(ctx, program, args...).CombinedOutput(); err != nil {
				return nil, fmt.Errorf("grype: %w: %s", err, bytes.TrimSpace(text))
			}
			all := Answers{}
			for i := range documents {
				if err := readGrype(filepath.Join(scratch, documents[i].Name+".tsv"), &documents[i], all); err != nil {
					return nil, err
				}
			}
			return all, nil
		},
	}
}

func readGrype(file string, d *Document, all Answers) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read Grype's answer: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		columns := strings.Split(strings.TrimRight(line, "\n"), "\t")
		if len(columns) != 3 {
			return fmt.Errorf("%s: not three columns: %q", file, line)
		}
		s, ok := d.Subject(columns[0])
		if !ok {
			return fmt.Errorf("%s: %s was not asked about", file, columns[0])
		}
		f := Finding{IDs: withoutView([]string{columns[1]})}
		if columns[2] != "" {
			f.Fixes = strings.Split(columns[2], ",")
		}
		all.Add(s, f)
	}
	return nil
}
