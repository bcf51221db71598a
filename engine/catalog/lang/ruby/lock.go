package ruby

import (
	"context"
	"path"
	"regexp"
	"strings"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/listing"
)

// Lock returns the analyzer of Gemfile.lock. The format does not tell which groups a gem belongs to.
func Lock() catalog.Analyzer {
	return catalog.Analyzer{Name: "gemfile-lock", Version: 1, MaxSize: listing.MaxSize, Wants: wantsLock, Analyze: analyzeLock}
}

// wantsLock leaves out the locks that gems bring along for their own development.
func wantsLock(c catalog.Candidate) bool {
	base := path.Base(c.Path)
	return (base == "Gemfile.lock" || base == "gems.locked") && !strings.Contains(c.Path, "/gems/")
}

// locked matches a gem under "specs:" (Bundler::LockfileParser::NAME_VERSION): four blanks, name, version and,
// after the first hyphen, platform. Six blanks are what it depends on.
var locked = regexp.MustCompile(`^ {4}([^ ()!]+) \(([^-()]+)(?:-([^()]+))?\)!?\s*$`)

func analyzeLock(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	content, err := listing.Content(f)
	if err != nil {
		return catalog.Evidence{}, err
	}
	list := listing.Declared(f, catalog.TypeGem, "GemfileLockMetadata")
	section, remote := "", ""
	for line := range strings.Lines(string(content)) {
		line = strings.TrimRight(line, "\r\n")
		if line != "" && line[0] != ' ' {
			section, remote = line, ""
		}
		if value, ok := strings.CutPrefix(line, "  remote: "); ok {
			remote = value
		}
		// PATH holds what lies beside the lock, the project itself; PLUGIN SOURCE extends Bundler.
		if section != "GEM" && section != "GIT" {
			continue
		}
		if m := locked.FindStringSubmatch(line); m != nil {
			p := gem(m[1], m[2], m[3])
			p.Metadata["source"] = remote
			list.Add(p)
		}
	}
	return list.Evidence()
}
