// Package dpkg reads the package database of Debian and its descendants: the status file, the status.d
// directory distroless images have instead, the file lists and checksums, and the licences in copyright files.
//
// Namespace and purl need the distro and are set by assembly (catalog.SetDistro).
package dpkg

import (
	"path"
	"strings"

	"plimsoll/engine/catalog"
)

const (
	statusFile = "/var/lib/dpkg/status"
	statusDir  = "/var/lib/dpkg/status.d/"
	infoDir    = "/var/lib/dpkg/info/"
	docDir     = "/usr/share/doc/"
	diversions = "/var/lib/dpkg/diversions"
	sumsSuffix = ".md5sums"
	listSuffix = ".list"
	copyright  = "/copyright"
)

// Analyzers returns the analyzers of the dpkg database.
func Analyzers() []catalog.Analyzer {
	return []catalog.Analyzer{
		// A desktop with 5,000 packages has a status file of about 10 MB.
		{Name: "dpkg-status", Version: 2, MaxSize: 128 << 20, Wants: wantsStatus, Analyze: analyzeStatus},
		// The longest lists of Debian (kernel headers, icon themes) have some 30,000 lines in 3 MB.
		{Name: "dpkg-files", Version: 2, MaxSize: 32 << 20, Wants: wantsFiles, Analyze: analyzeFiles},
		// A diversion takes three lines; nobody has more than some hundreds.
		{Name: "dpkg-diversions", Version: 1, MaxSize: 1 << 20, Wants: wantsDiversions, Analyze: analyzeDiversions},
		// The copyright files of browsers reach 3 MB.
		{Name: "dpkg-copyright", Version: 1, MaxSize: 8 << 20, Wants: wantsCopyright, Analyze: analyzeCopyright},
	}
}

func wantsStatus(c catalog.Candidate) bool {
	return c.Path == statusFile || inDir(c.Path, statusDir) && !strings.HasSuffix(c.Path, sumsSuffix)
}

func wantsFiles(c catalog.Candidate) bool {
	return inDir(c.Path, infoDir) && (strings.HasSuffix(c.Path, listSuffix) || strings.HasSuffix(c.Path, sumsSuffix)) ||
		inDir(c.Path, statusDir) && strings.HasSuffix(c.Path, sumsSuffix)
}

func wantsDiversions(c catalog.Candidate) bool { return c.Path == diversions }

func wantsCopyright(c catalog.Candidate) bool {
	return strings.HasPrefix(c.Path, docDir) && strings.HasSuffix(c.Path, copyright) &&
		path.Dir(path.Dir(c.Path))+"/" == docDir
}

// inDir reports whether file lies directly in dir, which ends in a slash.
func inDir(file, dir string) bool {
	name, ok := strings.CutPrefix(file, dir)
	return ok && name != "" && !strings.Contains(name, "/")
}
