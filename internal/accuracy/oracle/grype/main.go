// Command grype answers what the scanner Grype finds in bills of materials, with nothing but the records of OSV archives
// as its knowledge.
//
// It writes the records in the form in which Grype's own database builder takes them (convert.go), builds a database
// with that builder, and matches with the scanner's default settings. It is a program of a module of its own: Grype never
// becomes part of Plimsoll, and nothing of Plimsoll is used here.
//
//	grype -records DIR -work DIR -out DIR SBOM...
//
// DIR of -records holds <Ecosystem>/all.zip. For every document NAME.json, -out gets NAME.tsv with a line for each match:
// purl, id of the record, and the fixes between commas.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/anchore/grype/grype"
	"github.com/anchore/grype/grype/db"
	"github.com/anchore/grype/grype/db/provider"
	v6 "github.com/anchore/grype/grype/db/v6"
	"github.com/anchore/grype/grype/matcher"
	"github.com/anchore/grype/grype/matcher/golang"
	"github.com/anchore/grype/grype/matcher/stock"
	"github.com/anchore/grype/grype/pkg"
)

func main() {
	records := flag.String("records", "", "directory of OSV archives")
	work := flag.String("work", "", "directory for the database; emptied")
	out := flag.String("out", "", "directory for the answers")
	flag.Parse()
	if err := run(*records, *work, *out, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "grype:", err)
		os.Exit(1)
	}
}

func run(records, work, out string, documents []string) error {
	if err := os.RemoveAll(work); err != nil {
		return err
	}
	states, err := convert(records, filepath.Join(work, "providers"))
	if err != nil {
		return fmt.Errorf("convert %s: %w", records, err)
	}
	built := filepath.Join(work, "db")
	if err := os.MkdirAll(built, 0o755); err != nil {
		return err
	}
	err = db.Build(db.BuildConfig{SchemaVersion: v6.ModelVersion, Directory: built, States: states, Timestamp: time.Now().UTC(), Hydrate: true})
	if err != nil {
		return fmt.Errorf("build database: %w", err)
	}
	reader, err := v6.NewReader(v6.Config{DBDirPath: built})
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	known := v6.NewVulnerabilityProvider(reader)
	defer known.Close()
	// The defaults of the command line: CPE names for what no ecosystem knows only; there are none in the database.
	scanner := grype.VulnerabilityMatcher{VulnerabilityProvider: known, Matchers: matcher.NewDefaultMatchers(matcher.Config{
		Golang: golang.MatcherConfig{AlwaysUseCPEForStdlib: true, AllowMainModulePseudoVersionComparison: false},
		Stock:  stock.MatcherConfig{UseCPEs: true},
	})}
	for _, document := range documents {
		if err := answer(&scanner, document, out); err != nil {
			return fmt.Errorf("%s: %w", document, err)
		}
	}
	return nil
}

func answer(scanner *grype.VulnerabilityMatcher, document, out string) error {
	packages, context, _, err := pkg.Provide("sbom:"+document, pkg.ProviderConfig{})
	if err != nil {
		return err
	}
	found, _, err := scanner.FindMatches(packages, context)
	if err != nil {
		return err
	}
	var lines []string
	for _, m := range found.Sorted() {
		fixes := slices.Clone(m.Vulnerability.Fix.Versions)
		slices.Sort(fixes)
		lines = append(lines, strings.Join([]string{m.Package.PURL, m.Vulnerability.ID, strings.Join(slices.Compact(fixes), ",")}, "\t")+"\n")
	}
	slices.Sort(lines)
	name := strings.TrimSuffix(filepath.Base(document), ".json") + ".tsv"
	return os.WriteFile(filepath.Join(out, name), []byte(strings.Join(slices.Compact(lines), "")), 0o600)
}

// workspace writes items where a provider of Grype's database builder would have.
func workspace(dir, name, schema string, items []byte) (*provider.State, error) {
	results := filepath.Join(dir, name, "results")
	if err := os.MkdirAll(results, 0o755); err != nil {
		return nil, err
	}
	envelope := fmt.Sprintf(`{"schema":%q,"identifier":%q,"item":%s}`,
		"https://raw.githubusercontent.com/anchore/vunnel/main/schema/"+schema+".json", name, items)
	state := fmt.Sprintf(`{"provider":%q,"version":1,"processor":"plimsoll","store":"flat-file","timestamp":%q,"listing":{"path":"results/listing.xxh64"}}`,
		name, time.Now().UTC().Format(time.RFC3339))
	for file, content := range map[string]string{
		"results/all.json": envelope, "results/listing.xxh64": "0  results/all.json\n", "metadata.json": state,
	} {
		if err := os.WriteFile(filepath.Join(dir, name, file), []byte(content), 0o600); err != nil {
			return nil, err
		}
	}
	return provider.ReadState(filepath.Join(dir, name, "metadata.json"))
}
