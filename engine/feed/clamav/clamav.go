// Package clamav reads nothing out of malware signatures: it passes ClamAV's databases on as the files they are, after
// a look that they are what their names say.
//
// The three official databases come from ClamAV's own host, one group each, so that each is fetched only when it changed.
// Settings.Ecosystems chooses among them ("main", "daily", "bytecode"; "none" for none). Settings.Extra adds files of an
// operator's own as host/path, of the text formats below. clamd loads whatever lies in its folder by the ending of its
// name, and refuses all signatures for one file it cannot read: hence the look.
//
// Sources: docs.clamav.net, "Signatures" (the formats, the header of .cvd files) and "Private Local Mirrors".
package clamav

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"plimsoll/engine/feed"
)

// Name is the source name.
const Name = "clamav_db"

// Daily is the group of the official database that changes every day, by whose version ClamAV's signatures are known.
const Daily = "daily"

const (
	host = "database.clamav.net"
	none = "none"
)

// official are the databases everybody has.
var official = []string{"main", Daily, "bytecode"}

var (
	// ErrName means that a file's name is none clamd would load, or there twice.
	ErrName = errors.New("not a name of signatures")
	// ErrAddress means that the settings name no document.
	ErrAddress = errors.New("not an address of signatures; it is written as host/path")
	// ErrSignatures means that the content is not what the name says.
	ErrSignatures = errors.New("not a file of signatures")
)

// Driver passes signatures on.
var Driver = feed.Driver{Name: Name, Groups: groups, Plan: plan, Parse: parse}

func groups(s feed.Settings) []feed.Group {
	var out []feed.Group
	for _, name := range official {
		if len(s.Ecosystems) == 0 || slices.Contains(s.Ecosystems, name) {
			out = append(out, feed.Group{Name: name, Host: host, Path: name + ".cvd"})
		}
	}
	for _, address := range s.Extra {
		host, path, _ := strings.Cut(address, "/")
		if !slices.ContainsFunc(out, func(g feed.Group) bool { return g.Name == address }) {
			out = append(out, feed.Group{Name: address, Host: host, Path: path})
		}
	}
	return out
}

func plan(_ context.Context, r feed.Request, _ feed.Get) (feed.Plan, error) {
	for _, chosen := range r.Settings.Ecosystems {
		if chosen != none && !slices.Contains(official, chosen) {
			return feed.Plan{}, fmt.Errorf("%w: there is no official database %.40q", ErrName, chosen)
		}
	}
	g := r.Group
	if g.Host == "" || g.Path == "" || strings.Contains(g.Host+"/"+g.Path, "://") || slices.Contains(strings.Split(g.Path, "/"), "..") {
		return feed.Plan{}, fmt.Errorf("%.80q: %w", g.Name, ErrAddress)
	}
	name := path.Base(g.Path)
	if !usable(name) {
		return feed.Plan{}, fmt.Errorf("%w: %.80q (known endings: %s)", ErrName, name, strings.Join(endings(), " "))
	}
	for _, other := range groups(r.Settings) {
		if other.Name != g.Name && strings.EqualFold(path.Base(other.Path), name) {
			return feed.Plan{}, fmt.Errorf("%w: %s is in %.80s and in %.80s, and the folder of clamd has room for one", ErrName, name, other.Name, g.Name)
		}
	}
	return feed.Plan{Documents: []feed.Document{{Name: name, Host: g.Host, Path: g.Path}}}, nil
}

// plain keeps names from being paths, options, hidden, or something a terminal acts upon.
var plain = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}$`)

// usable reports whether clamd would load a file of the name.
func usable(name string) bool {
	_, known := formats[path.Ext(name)]
	return plain.MatchString(name) && known
}

func parse(ctx context.Context, in feed.Input, out feed.Sink) error {
	for _, doc := range in.Documents {
		if err := ctx.Err(); err != nil {
			return err
		}
		file, err := look(ctx, doc)
		if err != nil {
			return fmt.Errorf("%s: %w", doc.Name, err)
		}
		if err := out.File(file); err != nil {
			return err
		}
	}
	return nil
}

func look(ctx context.Context, doc feed.Fetched) (feed.File, error) {
	file := feed.File{Name: doc.Name, Content: doc.Reader()}
	if !usable(doc.Name) {
		return file, ErrName
	}
	if path.Ext(doc.Name) == packed {
		h, err := readHeader(ctx, doc)
		file.Version, file.Built = h.version, h.built
		return file, err
	}
	return file, checkText(ctx, doc.Reader(), formats[path.Ext(doc.Name)])
}
