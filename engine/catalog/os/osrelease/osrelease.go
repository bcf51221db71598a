// Package osrelease finds out which distro an image is built from.
//
// os-release(5) decides where it exists. Images from before it, or whose /etc/os-release is a symlink into
// nowhere, are recognised by lsb-release and the one-line release files; catalog.DistroRank orders them.
package osrelease

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"

	"plimsoll/engine/catalog"
)

// maxSize: real files have less than a kilobyte.
const maxSize = 64 << 10

// ErrUnknown reports a release file that names no distro.
var ErrUnknown = errors.New("release file names no distro")

// Analyzer returns the analyzer of release files.
func Analyzer() catalog.Analyzer {
	return catalog.Analyzer{Name: "os-release", Version: 2, MaxSize: maxSize, Wants: wants, Analyze: analyze}
}

// lines are the release files of one line, with the reader of that line.
var lines = map[string]func(string) *catalog.Distro{
	"/etc/alpine-release": alpine,
	"/etc/debian_version": debian,
	"/etc/redhat-release": redhat,
	"/etc/centos-release": redhat,
	"/etc/system-release": redhat,
	"/etc/oracle-release": redhat,
	"/etc/fedora-release": redhat,
	"/etc/photon-release": named,
	"/etc/gentoo-release": named,
	"/etc/SuSE-release":   suse,
}

func wants(c catalog.Candidate) bool {
	switch c.Path {
	case "/etc/os-release", "/usr/lib/os-release", "/etc/lsb-release":
		return true
	}
	if _, ok := lines[c.Path]; ok {
		return true
	}
	// Vendors that ship editions link os-release to one of several files beside it.
	dir := path.Dir(c.Path)
	return strings.HasPrefix(path.Base(c.Path), "os-release") &&
		(dir == "/usr/lib" || dir == "/usr/lib/os-release.d" || dir == "/usr/lib/os.release.d")
}

func analyze(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	content, err := io.ReadAll(io.LimitReader(f.Reader(), maxSize))
	if err != nil {
		return catalog.Evidence{}, fmt.Errorf("read %s: %w", f.Path, err)
	}
	distro := read(f.Path, string(content))
	if distro == nil || distro.ID == "" {
		return catalog.Evidence{}, fmt.Errorf("%w: %s", ErrUnknown, f.Path)
	}
	return catalog.Evidence{Distro: distro}, nil
}

func read(file, content string) *catalog.Distro {
	if line, ok := lines[file]; ok {
		return line(strings.TrimSpace(content))
	}
	fields := assignments(content)
	if file == "/etc/lsb-release" {
		return lsb(fields)
	}
	return osRelease(fields)
}

func osRelease(fields map[string]string) *catalog.Distro {
	if len(fields) == 0 {
		return nil
	}
	d := &catalog.Distro{
		ID:        strings.ToLower(fields["ID"]),
		VersionID: fields["VERSION_ID"],
		Codename:  strings.ToLower(first(fields["VERSION_CODENAME"], fields["UBUNTU_CODENAME"])),
		Name:      first(fields["PRETTY_NAME"], fields["NAME"]),
	}
	if like := strings.ToLower(fields["ID_LIKE"]); like != "" {
		d.Like = strings.Fields(like)
	}
	// Descendants of Ubuntu and Debian have code names of their own; what counts is whose packages they hold.
	if d.ID != "ubuntu" && d.ID != "debian" {
		d.Codename = strings.ToLower(first(fields["UBUNTU_CODENAME"], fields["DEBIAN_CODENAME"], d.Codename))
	}
	if d.ID == "" {
		d.ID = "linux" // the default of os-release(5)
	}
	if d.Codename == "" && (d.ID == "debian" || d.ID == "ubuntu") {
		d.Codename = codename(fields["VERSION"], d.Name, d.VersionID)
	}
	return d
}

var parenthesised = regexp.MustCompile(`\(([A-Za-z]+)\)`)

// codename finds the code name where older Debian releases have it: VERSION="8 (jessie)", and in testing,
// which has no version, PRETTY_NAME="Debian GNU/Linux buster/sid".
func codename(version, name, versionID string) string {
	if m := parenthesised.FindStringSubmatch(version); m != nil {
		return strings.ToLower(m[1])
	}
	if versionID == "" {
		words := strings.Fields(name)
		if len(words) > 0 && strings.HasSuffix(words[len(words)-1], "/sid") {
			return strings.TrimSuffix(words[len(words)-1], "/sid")
		}
	}
	return ""
}

func lsb(fields map[string]string) *catalog.Distro {
	return &catalog.Distro{
		ID:        strings.ToLower(fields["DISTRIB_ID"]),
		VersionID: fields["DISTRIB_RELEASE"],
		Codename:  strings.ToLower(fields["DISTRIB_CODENAME"]),
		Name:      first(fields["DISTRIB_DESCRIPTION"], fields["DISTRIB_ID"]),
	}
}

func alpine(content string) *catalog.Distro {
	line := firstLine(content)
	if line == "" {
		return nil
	}
	return &catalog.Distro{ID: "alpine", VersionID: line, Name: "Alpine Linux v" + line}
}

var debianPoint = regexp.MustCompile(`^([0-9]+)(\.[0-9]+)*$`)

// firstLine is the line that counts of a release file.
func firstLine(content string) string {
	line, _, _ := strings.Cut(content, "\n")
	return strings.TrimSpace(line)
}

var namedLine = regexp.MustCompile(`^(VMware Photon|Gentoo Base System)\b[^0-9]*([0-9]+(?:\.[0-9]+)*)`)

// named reads "VMware Photon Linux 1.0" and "Gentoo Base System release 2.14".
func named(content string) *catalog.Distro {
	m := namedLine.FindStringSubmatch(firstLine(content))
	if m == nil {
		return nil
	}
	id := "gentoo"
	if strings.HasPrefix(m[1], "VMware") {
		id = "photon"
	}
	return &catalog.Distro{ID: id, VersionID: m[2], Name: firstLine(content)}
}

// suse reads the file that SUSE had until version 12: a name, then VERSION and PATCHLEVEL.
func suse(content string) *catalog.Distro {
	name := firstLine(content)
	fields := map[string]string{}
	for line := range strings.Lines(content) {
		if key, value, ok := strings.Cut(line, "="); ok {
			fields[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	d := &catalog.Distro{Name: name, VersionID: fields["VERSION"]}
	switch {
	case strings.HasPrefix(name, "SUSE Linux Enterprise"):
		d.ID = "sles"
		if level := fields["PATCHLEVEL"]; level != "" && level != "0" {
			d.VersionID += "." + level
		}
	case strings.HasPrefix(name, "openSUSE"):
		d.ID = "opensuse"
	}
	return d
}

// debian reads debian_version: "12.5" in releases, "trixie/sid" in testing and sid.
func debian(content string) *catalog.Distro {
	line := firstLine(content)
	d := &catalog.Distro{ID: "debian", Name: "Debian GNU/Linux " + line}
	if m := debianPoint.FindStringSubmatch(line); m != nil {
		d.VersionID = m[1]
		return d
	}
	if d.Codename, _, _ = strings.Cut(line, "/"); d.Codename == "" || strings.ContainsAny(d.Codename, " \t") {
		return nil
	}
	return d
}

var redhatLine = regexp.MustCompile(`^(.+?) (?:Linux )?(?:AMI )?release ([0-9]+(?:\.[0-9]+)*)(?:.*\(([^)]+)\))?`)

// redhatIDs maps the beginning of the line to the os-release ID the same distro uses today.
var redhatIDs = []struct{ prefix, id string }{
	{"red hat enterprise", "rhel"}, {"centos", "centos"}, {"fedora", "fedora"}, {"rocky", "rocky"},
	{"almalinux", "almalinux"}, {"oracle", "ol"}, {"amazon", "amzn"},
	{"scientific", "scientific"}, {"cloudlinux", "cloudlinux"}, {"eurolinux", "eurolinux"},
}

// redhat reads "CentOS release 6.10 (Final)" and its relatives.
func redhat(content string) *catalog.Distro {
	line := firstLine(content)
	m := redhatLine.FindStringSubmatch(line)
	if m == nil {
		return nil
	}
	for _, known := range redhatIDs {
		if strings.HasPrefix(strings.ToLower(m[1]), known.prefix) {
			return &catalog.Distro{ID: known.id, VersionID: m[2], Codename: strings.ToLower(m[3]), Name: line}
		}
	}
	return nil
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// assignments reads shell-like variable assignments (os-release(5)): comments and lines that are none are
// skipped, the last assignment to a name counts.
func assignments(content string) map[string]string {
	fields := map[string]string{}
	for line := range strings.Lines(content) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok && isName(name) {
			fields[name] = strings.TrimSpace(unquote(value))
		}
	}
	return fields
}

func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c == '_' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || i > 0 && c >= '0' && c <= '9') {
			return false
		}
	}
	return s != ""
}

// unquote removes shell quoting: single quotes keep all as it is, in double quotes a backslash escapes
// only $, ", \ and the backtick, outside quotes it escapes anything and a blank ends the value.
func unquote(s string) string {
	var b strings.Builder
	quote := byte(0)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == quote:
			quote = 0
		case quote == '\'':
			b.WriteByte(c)
		case c == '\\' && i+1 < len(s) && (quote == 0 || strings.IndexByte("$\"\\`", s[i+1]) >= 0):
			i++
			b.WriteByte(s[i])
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote == 0 && (c == ' ' || c == '\t'):
			return b.String()
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
