// Command osv-rpm answers what the matching of osv-scanner finds in rpm packages, which that program reads from nothing but
// an rpm database. It is the same library, at the version osv-scanner asks for.
//
//	osv-rpm -records DIR -id almalinux -release 9
//
// DIR holds osv-scalibr/<Ecosystem>/all.zip. Input: name and version (EPOCH:VERSION-RELEASE) a line, between tabs; output
// the same with the id of a record behind.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	cpb "github.com/google/osv-scalibr/binary/proto/config_go_proto"
	"github.com/google/osv-scalibr/enricher/vulnmatch/osvlocal"
	"github.com/google/osv-scalibr/extractor"
	"github.com/google/osv-scalibr/extractor/filesystem/os/rpm/metadata"
	"github.com/google/osv-scalibr/inventory"
	"github.com/google/osv-scalibr/plugin/config"
	"github.com/google/osv-scalibr/purl"
)

func main() {
	records := flag.String("records", "", "directory of the databases")
	id := flag.String("id", "", "ID of os-release")
	release := flag.String("release", "", "VERSION_ID of os-release")
	flag.Parse()
	if err := run(*records, *id, *release); err != nil {
		fmt.Fprintln(os.Stderr, "osv-rpm:", err)
		os.Exit(1)
	}
}

func run(records, id, release string) error {
	settings := &cpb.PluginConfig{PluginSpecific: []*cpb.PluginSpecificConfig{{Config: &cpb.PluginSpecificConfig_Osvlocal{
		Osvlocal: &cpb.OSVLocalConfig{LocalPath: records, RemoteHost: "https://invalid.invalid"},
	}}}}
	matcher, err := osvlocal.New(&config.PluginConfig{ProtoConfig: settings, ClientFactories: config.NewDefaultClientFactories("")})
	if err != nil {
		return err
	}
	var found inventory.Inventory
	asked := map[*extractor.Package]string{}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		name, version, _ := strings.Cut(lines.Text(), "\t")
		m := &metadata.Metadata{PackageName: name, OSID: id, OSVersionID: release}
		rest := version
		if epoch, after, ok := strings.Cut(version, ":"); ok {
			if m.Epoch, err = strconv.Atoi(epoch); err != nil {
				return fmt.Errorf("epoch of %q: %w", version, err)
			}
			rest = after
		}
		p := &extractor.Package{Name: name, Version: rest, PURLType: purl.TypeRPM, Metadata: m}
		found.Packages = append(found.Packages, p)
		asked[p] = lines.Text()
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if err := matcher.Enrich(context.Background(), nil, &found); err != nil {
		return err
	}
	var out []string
	for _, v := range found.PackageVulns {
		out = append(out, asked[v.Package]+"\t"+v.Vulnerability.GetId()+"\n")
	}
	slices.Sort(out)
	fmt.Print(strings.Join(slices.Compact(out), ""))
	return nil
}
