package binary

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strings"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/cpe"
)

// javaRelease finds Java runtimes by the file release in JAVA_HOME, which every JDK, JRE and runtime made by
// jlink has (JEP 220, "The release file": Java properties, values in quotes, keys in upper case).
var javaRelease = Classifier{Name: "java-release", Names: []string{releaseFile}, Text: releaseHead}

// javaVersion is a version string of JEP 223, which may be one number, or of the time before (1.8.0_392).
var javaVersion = regexp.MustCompile(`^[0-9]{1,3}(?:\.[0-9]{1,4}){0,6}(?:_[0-9]{1,4})?(?:-[a-z]{1,12})?$`)

const (
	releaseFile = "release"
	// maxRelease bounds a release file; the longest value, MODULES, has some 2 KB.
	maxRelease = 64 << 10
	jdkVersion = "JAVA_VERSION"
)

// releaseHead reports whether a text begins as a release file does. The first key is one of several; each is
// in upper case and its value in quotes.
func releaseHead(head []byte) bool {
	key, rest, ok := strings.Cut(string(head), "=")
	return ok && key != "" && strings.Trim(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == "" && strings.HasPrefix(rest, `"`)
}

func analyzeRelease(f *catalog.File) (catalog.Evidence, error) {
	values := map[string]string{}
	lines := bufio.NewScanner(io.LimitReader(f.Reader(), maxRelease))
	lines.Buffer(nil, maxRelease)
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), "=")
		values[strings.TrimSpace(key)] = strings.Trim(strings.TrimSpace(value), `"`)
	}
	if err := lines.Err(); err != nil {
		return catalog.Evidence{}, fmt.Errorf("read %s: %w", f.Path, err)
	}
	if !javaVersion.MatchString(values[jdkVersion]) {
		return catalog.Evidence{}, nil
	}
	p := describeJava(values)
	p.Location = f.Path
	if err := p.Check(); err != nil {
		return catalog.Evidence{}, err
	}
	return catalog.Evidence{Packages: []catalog.Package{p}}, nil
}

// describeJava tells Oracle's commercial builds, which the NVD lists as jdk and jre, from the builds of OpenJDK
// by everyone else.
func describeJava(values map[string]string) catalog.Package {
	version := values[jdkVersion]
	name, vendors, products := "openjdk", []string{"oracle"}, []string{"openjdk"}
	if values["BUILD_TYPE"] == "commercial" {
		name, products = "jdk", []string{"jdk", "jre"}
		if values["IMAGE_TYPE"] == "JRE" {
			name, products = "jre", []string{"jre"}
		}
	}
	k := Classifier{
		Name: javaRelease.Name, Package: name, PURL: PURL{Type: "generic", Name: name, Version: "{version}"},
		Vendors: vendors, Products: products,
	}
	p := k.describe(version, "")
	if legacy, update, ok := strings.Cut(version, "_"); ok {
		p.CPEs = updateCPEs(name, products, legacy, update)
	}
	for key, value := range map[string]string{
		"implementor": values["IMPLEMENTOR"], "image_type": values["IMAGE_TYPE"], "runtime_version": values["JAVA_RUNTIME_VERSION"],
		"jvm_variant": values["JVM_VARIANT"],
	} {
		if value = catalog.Text(value); value != "" {
			p.Metadata[key] = value
		}
	}
	return p
}

// updateCPEs names versions from before JEP 223, such as 1.8.0_392, as the NVD does: openjdk:8:update392, but
// jdk:1.8.0:update392.
func updateCPEs(name string, products []string, legacy, update string) []string {
	if name == "openjdk" {
		legacy = strings.TrimSuffix(strings.TrimPrefix(legacy, "1."), ".0")
	}
	names := cpe.Candidates([]string{"oracle"}, products, legacy, cpe.AnySoftware)
	for i, c := range names {
		names[i] = strings.Replace(c, ":"+legacy+":*:", ":"+legacy+":update"+strings.TrimLeft(update, "0")+":", 1)
	}
	return names
}
