package amazon

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/updateinfo"
)

// Where lists of mirrors and the catalogue are.
const (
	host        = "cdn.amazonlinux.com"
	oldHost     = "repo.us-west-2.amazonaws.com"
	oldMirrors  = "2018.03/updates/x86_64/mirror.list"
	coreMirrors = "2/core/latest/x86_64/mirror.list"
	catalogue   = "2/extras-catalog.json"
	topic       = "2/extras/%s/latest/x86_64/mirror.list"
	repository  = "al%s/%s/mirrors/latest/x86_64/mirror.list"
)

// The releases that are not laid out like the newer ones.
const (
	first  = "2018.03"
	second = "2"
)

// core is the name of the repository every release has.
const core = "core"

// known are the releases that are read when the settings name none.
var known = []string{first, second, "2022", "2023"}

// beside are repositories of a release besides its core.
var beside = map[string][]string{"2023": {"kernel-livepatch", "nvidia"}}

// maxTopics bounds how many repositories a catalogue may send us to; it has about seventy.
const maxTopics = 500

func groups(s feed.Settings) []feed.Group {
	chosen := s.Releases
	if len(chosen) == 0 {
		chosen = known
	}
	var out []feed.Group
	for _, c := range chosen {
		release := strings.TrimSpace(c)
		g := feed.Group{Name: namespace + release, Host: host, Path: fmt.Sprintf(repository, release, core)}
		switch release {
		case first:
			g.Host, g.Path = oldHost, oldMirrors
		case second:
			g.Path = coreMirrors
		}
		if !slices.Contains(out, g) {
			out = append(out, g)
		}
	}
	return out
}

var (
	groupShape = regexp.MustCompile(`^amzn:([0-9]+(?:\.[0-9]+)?)$`)
	nameShape  = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)
)

// repo is a repository and the path of its list of mirrors at the group's host.
type repo struct{ name, mirrors string }

func plan(ctx context.Context, r feed.Request, get feed.Get) (feed.Plan, error) {
	m := groupShape.FindStringSubmatch(r.Group.Name)
	if m == nil {
		return feed.Plan{}, fmt.Errorf("%w: %q; releases are written like \"2023\"", ErrRelease, r.Group.Name)
	}
	repos, err := repositories(ctx, m[1], r, get)
	if err != nil {
		return feed.Plan{}, err
	}
	var p feed.Plan
	for _, repo := range repos {
		doc, ok, err := locate(ctx, r.Group.Host, repo, get)
		if err != nil {
			return feed.Plan{}, fmt.Errorf("repository %s: %w", repo.name, err)
		}
		if ok {
			p.Documents = append(p.Documents, doc)
		}
	}
	if len(p.Documents) == 0 {
		return feed.Plan{}, fmt.Errorf("%w: no repository of %s lists updates", ErrIndex, r.Group.Name)
	}
	return p, nil
}

func repositories(ctx context.Context, release string, r feed.Request, get feed.Get) ([]repo, error) {
	out := []repo{{core, r.Group.Path}}
	switch release {
	case first:
	case second:
		topics, err := topics(ctx, r.Group.Host, get)
		if err != nil {
			return nil, err
		}
		for _, t := range topics {
			out = append(out, repo{extras + t, fmt.Sprintf(topic, t)})
		}
	default:
		for _, name := range append(slices.Clone(beside[release]), r.Settings.Extra...) {
			of := repo{name, fmt.Sprintf(repository, release, name)}
			if !nameShape.MatchString(name) {
				return nil, fmt.Errorf("%w: repository %.80q", ErrRelease, name)
			}
			if !slices.Contains(out, of) {
				out = append(out, of)
			}
		}
	}
	return out, nil
}

// topics reads the catalogue of Amazon Linux Extras.
func topics(ctx context.Context, host string, get feed.Get) ([]string, error) {
	text, err := get(ctx, feed.Document{Name: "catalogue", Host: host, Path: catalogue})
	if err != nil {
		return nil, fmt.Errorf("catalogue of extras: %w", err)
	}
	var said struct {
		Topics []struct {
			Name string `json:"n"`
		} `json:"topics"`
	}
	if err := json.Unmarshal(text, &said); err != nil {
		return nil, fmt.Errorf("%w: catalogue of extras: %w", ErrIndex, err)
	}
	if len(said.Topics) == 0 || len(said.Topics) > maxTopics {
		return nil, fmt.Errorf("%w: catalogue of extras with %d topics", ErrIndex, len(said.Topics))
	}
	var out []string
	for _, t := range said.Topics {
		if !nameShape.MatchString(t.Name) {
			return nil, fmt.Errorf("%w: topic %.80q in the catalogue of extras", ErrIndex, t.Name)
		}
		out = append(out, t.Name)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// locate finds the list of updates of a repository at its first mirror; false when it has none.
func locate(ctx context.Context, host string, of repo, get feed.Get) (feed.Document, bool, error) {
	list, err := get(ctx, feed.Document{Name: "mirrors", Host: host, Path: of.mirrors})
	if err != nil {
		return feed.Document{}, false, fmt.Errorf("list of mirrors: %w", err)
	}
	at, folder, err := mirror(list)
	if err != nil {
		return feed.Document{}, false, err
	}
	index, err := get(ctx, feed.Document{Name: "index", Host: at, Path: path.Join(folder, updateinfo.Index)})
	if err != nil {
		return feed.Document{}, false, fmt.Errorf("index: %w", err)
	}
	href, err := updateinfo.Locate(index)
	if err != nil || href == "" {
		return feed.Document{}, false, err
	}
	return feed.Document{Name: of.name, Host: at, Path: path.Join(folder, href)}, true, nil
}

// mirror reads the first address of a list of mirrors. It must be one of Amazon's.
func mirror(list []byte) (host, folder string, err error) {
	for line := range strings.Lines(string(list)) {
		line = strings.TrimSpace(strings.ReplaceAll(line, "$basearch", "x86_64"))
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		u, err := url.Parse(line)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Port() != "" {
			return "", "", fmt.Errorf("%w: mirror %.200q", ErrIndex, line)
		}
		if u.Hostname() != "cdn.amazonlinux.com" && !strings.HasSuffix(u.Hostname(), ".amazonaws.com") {
			return "", "", fmt.Errorf("%w: mirror %.200q is not Amazon's", ErrIndex, line)
		}
		return u.Hostname(), strings.Trim(path.Clean(u.Path), "/"), nil
	}
	return "", "", fmt.Errorf("%w: the list of mirrors is empty", ErrIndex)
}
