// Command vex writes what Red Hat's CSAF VEX documents say about the packages of Enterprise Linux 5 and later as OSV records, which
// Grype can be told. It reads the documents by the letter and shares no code with Plimsoll, nor what Plimsoll makes of
// several fixes: each is a range from the beginning.
//
//	vex -documents ARCHIVE.tar.zst -out all.zip
//
// The ecosystem is "Red Hat:9". A package that is not affected, or is without a fix, has an entry, too: the first without
// a range. A package of a module names it in ecosystem_specific, as do fixes of the streams for subscribers, which are no
// part of the main stream's answer, and whether extended life cycle support says anything.
package main

import (
	"archive/tar"
	"archive/zip"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
)

func main() {
	documents := flag.String("documents", "", "archive of VEX documents")
	out := flag.String("out", "", "archive of OSV records to write")
	flag.Parse()
	if err := run(*documents, *out); err != nil {
		fmt.Fprintln(os.Stderr, "vex:", err)
		os.Exit(1)
	}
}

func run(documents, out string) error {
	in, err := os.Open(documents)
	if err != nil {
		return err
	}
	defer in.Close()
	z, err := zstd.NewReader(in)
	if err != nil {
		return err
	}
	defer z.Close()
	file, err := os.Create(out)
	if err != nil {
		return err
	}
	w := zip.NewWriter(file)
	for members := tar.NewReader(z); ; {
		member, err := members.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if !strings.HasSuffix(member.Name, ".json") {
			continue
		}
		var d document
		if err := json.NewDecoder(members).Decode(&d); err != nil {
			return fmt.Errorf("%s: %w", member.Name, err)
		}
		for _, v := range d.Vulnerabilities {
			if err := write(w, v.CVE, d.entries(v.Status)); err != nil {
				return err
			}
		}
	}
	return errors.Join(w.Close(), file.Close())
}

func write(w *zip.Writer, cve string, entries []entry) error {
	if cve == "" || len(entries) == 0 {
		return nil
	}
	member, err := w.Create(cve + ".json")
	if err != nil {
		return err
	}
	return json.NewEncoder(member).Encode(map[string]any{
		"schema_version": "1.7.3", "id": cve, "modified": "2026-01-01T00:00:00Z", "published": "2026-01-01T00:00:00Z", "affected": entries,
	})
}

// document holds the fields of CSAF 2.0 that say what is fixed where.
type document struct {
	Tree struct {
		Branches      []branch `json:"branches"`
		Relationships []struct {
			Full struct {
				ID string `json:"product_id"`
			} `json:"full_product_name"`
			Product  string `json:"product_reference"`
			Platform string `json:"relates_to_product_reference"`
		} `json:"relationships"`
	} `json:"product_tree"`
	Vulnerabilities []struct {
		CVE    string              `json:"cve"`
		Status map[string][]string `json:"product_status"`
	} `json:"vulnerabilities"`
}

type branch struct {
	Branches []branch `json:"branches"`
	Product  struct {
		ID     string `json:"product_id"`
		Helper struct {
			CPE  string `json:"cpe"`
			PURL string `json:"purl"`
		} `json:"product_identification_helper"`
	} `json:"product"`
}

type entry struct {
	Package struct {
		Ecosystem string `json:"ecosystem"`
		Name      string `json:"name"`
	} `json:"package"`
	Ranges []span `json:"ranges,omitempty"`
	Notes  notes  `json:"ecosystem_specific,omitzero"`
}

type notes struct {
	Module   string   `json:"module,omitempty"`
	Streams  []string `json:"streams,omitempty"`
	Extended bool     `json:"extended,omitempty"`
}

func (n notes) IsZero() bool { return n.Module == "" && n.Streams == nil && !n.Extended }

type span struct {
	Type   string              `json:"type"`
	Events []map[string]string `json:"events"`
}

// pkg is a package of a release, in a module or in none.
type pkg struct{ release, name, module string }

// What is said of a package: the fixes, or that it has none and is affected, or that it is not.
type said struct {
	fixes    []string
	affected bool
	streams  []string // fixes of other streams
	extended bool     // extended life cycle support says something
}

// entries are what a document says about the main stream of each release, by package.
func (d *document) entries(status map[string][]string) []entry {
	platforms, purls := map[string][]string{}, map[string]string{}
	walk(d.Tree.Branches, func(b branch) {
		if m := stream.FindStringSubmatch(b.Product.Helper.CPE); m != nil && !strings.Contains(b.Product.Helper.CPE, "hypervisor") {
			platforms[b.Product.ID] = m[1:]
		}
		purls[b.Product.ID] = b.Product.Helper.PURL
	})
	about := map[pkg]*said{}
	for _, kind := range []string{"fixed", "known_affected", "known_not_affected"} {
		named := map[string]bool{}
		for _, id := range status[kind] {
			named[id] = true
		}
		for _, r := range d.Tree.Relationships {
			platform := platforms[r.Platform]
			if platform == nil || !named[r.Full.ID] || strings.HasPrefix(r.Platform, "rhel-br-") {
				continue
			}
			p, evr, ok := packageOf(r.Product, purls[r.Product])
			if !ok || kind == "fixed" && evr == "" {
				continue
			}
			p.release = platform[1]
			s := about[p]
			if s == nil {
				s = &said{}
				about[p] = s
			}
			s.extended = s.extended || platform[0] == "rhel_els"
			switch main := platform[0] == "enterprise_linux"; {
			case kind == "fixed" && main:
				s.fixes = append(s.fixes, evr)
			case kind == "fixed":
				s.streams = append(s.streams, evr)
			case kind == "known_affected" && main:
				s.affected = true
			}
		}
	}
	var out []entry
	for _, p := range slices.SortedFunc(maps.Keys(about), func(a, b pkg) int {
		return cmp.Or(strings.Compare(a.release, b.release), strings.Compare(a.name, b.name), strings.Compare(a.module, b.module))
	}) {
		out = append(out, about[p].entry(p))
	}
	return out
}

func walk(list []branch, visit func(branch)) {
	for _, b := range list {
		visit(b)
		walk(b.Branches, visit)
	}
}

func (s *said) entry(p pkg) entry {
	var e entry
	e.Package.Ecosystem, e.Package.Name = "Red Hat:"+p.release, p.name
	slices.Sort(s.streams)
	e.Notes = notes{p.module, slices.Compact(s.streams), s.extended}
	slices.Sort(s.fixes)
	for _, fix := range slices.Compact(s.fixes) {
		e.Ranges = append(e.Ranges, span{"ECOSYSTEM", []map[string]string{{"introduced": "0"}, {"fixed": fix}}})
	}
	if len(s.fixes) == 0 && s.affected {
		e.Ranges = []span{{"ECOSYSTEM", []map[string]string{{"introduced": "0"}}}}
	}
	return e
}

var (
	stream    = regexp.MustCompile(`^cpe:/[ao]:redhat:(enterprise_linux|enterprise_linux_eus|rhel_eus|rhel_aus|rhel_tus|rhel_e4s|rhel_els):([5-9]|[1-9][0-9])(?:\.[0-9]+)?(?::|$)`)
	rpm       = regexp.MustCompile(`^pkg:rpm/redhat/([^@?]+)(?:@([^?]+))?(?:\?(.*))?$`)
	component = regexp.MustCompile(`^(?:([^:/]+:[^:/]+)/)?([^:/]+)$`)
	escapes   = strings.NewReplacer("%2B", "+", "%2b", "+", "%3A", ":", "%3a", ":", "%5E", "^", "%5e", "^", "%7E", "~", "%7e", "~")
)

// packageOf reads the package URL of a product, or where it has none the name of a component: "nodejs:16/nodejs".
func packageOf(id, purl string) (p pkg, evr string, ok bool) {
	if purl == "" {
		m := component.FindStringSubmatch(id)
		if m == nil {
			return pkg{}, "", false
		}
		return pkg{name: strings.TrimSuffix(m[2], ".src"), module: m[1]}, "", true
	}
	m := rpm.FindStringSubmatch(purl)
	if m == nil || strings.Contains(m[1], "-debuginfo") || strings.HasSuffix(m[1], "-debugsource") {
		return pkg{}, "", false
	}
	p.name, evr = escapes.Replace(m[1]), escapes.Replace(m[2])
	for q := range strings.SplitSeq(m[3], "&") {
		key, value, _ := strings.Cut(q, "=")
		switch value = escapes.Replace(value); {
		case key == "epoch" && value != "0" && evr != "":
			evr = value + ":" + evr
		case key == "rpmmod":
			parts := strings.SplitN(value, ":", 3)
			if len(parts) < 2 || parts[1] == "flatpak" {
				return pkg{}, "", false
			}
			p.module = parts[0] + ":" + parts[1]
		}
	}
	return p, evr, true
}
