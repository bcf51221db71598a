package java

import (
	"bufio"
	"io"
	"strings"
)

// maxManifest bounds the main section of a manifest; the longest ones (OSGi package lists) take some
// hundred kilobytes. The sections after it, one per signed entry, are not read.
const maxManifest = 2 << 20

// manifest is the main section's attributes by lower-case name.
type manifest map[string]string

func (m manifest) get(name string) string { return m[strings.ToLower(name)] }

// first returns the first attribute that has a value: no property of the build left open, no reference to
// a bundle's localisation (OSGi Core 3.11).
func (m manifest) first(names ...string) string {
	for _, name := range names {
		if v := m.get(name); v != "" && !strings.Contains(v, "${") && v[0] != '%' {
			return v
		}
	}
	return ""
}

// readManifest reads the main section (JAR File Specification, "Notes on Manifest and Signature Files"):
// lines of at most 72 bytes, a leading blank continues the value of the line before without a separator.
func readManifest(r io.Reader) manifest {
	m := manifest{}
	in := bufio.NewScanner(io.LimitReader(r, maxManifest))
	in.Buffer(make([]byte, 0, 4<<10), maxManifest)
	name := ""
	var value strings.Builder
	flush := func() {
		if _, set := m[name]; name != "" && !set {
			m[name] = strings.TrimSpace(value.String())
		}
		value.Reset()
	}
	for in.Scan() {
		line := strings.TrimSuffix(in.Text(), "\r")
		if line == "" {
			if name == "" && len(m) == 0 {
				continue
			}
			break
		}
		if line[0] == ' ' {
			value.WriteString(line[1:])
			continue
		}
		flush()
		before, after, ok := strings.Cut(line, ":")
		if name = ""; ok {
			name = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(before, "\ufeff")))
			value.WriteString(strings.TrimPrefix(after, " "))
		}
	}
	flush()
	return m
}
