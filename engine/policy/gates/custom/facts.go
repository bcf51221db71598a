package custom

import (
	"context"
	"fmt"
	"sync"

	"cel.dev/cel-go/cel"

	"plimsoll/engine/policy"
)

// The variables of expressions.
const (
	varImage           = "image"
	varConfig          = "config"
	varDockerfile      = "dockerfile"
	varDistro          = "distro"
	varPackages        = "packages"
	varVulnerabilities = "vulnerabilities"
	varFiles           = "files"
	varFindings        = "findings"
	varMalware         = "malware"
	varAncestors       = "ancestors"
	varFeeds           = "feeds"
	varTag             = "tag"
	varNow             = "now"

	// Package is a reserved word of the language.
	varPackage       = "pkg"
	varVulnerability = "vulnerability"
	varFile          = "file"
)

// variables gives the types of the variables every expression has.
var variables = sync.OnceValue(func() map[string]*cel.Type {
	return map[string]*cel.Type{
		varImage: typeOf(Image{}), varConfig: typeOf(Config{}), varDockerfile: typeOf(Dockerfile{}), varDistro: typeOf(Distro{}),
		varPackages: cel.ListType(typeOf(Package{})), varVulnerabilities: cel.ListType(typeOf(Vulnerability{})), varFiles: cel.ListType(typeOf(File{})),
		varFindings: typeOf(Findings{}), varMalware: typeOf(Malware{}), varAncestors: cel.ListType(typeOf(Ancestor{})), varFeeds: typeOf(Feeds{}),
		varTag: cel.StringType, varNow: cel.TimestampType,
	}
})

func elementVariable(each string) (string, *cel.Type) {
	switch each {
	case eachPackage:
		return varPackage, typeOf(Package{})
	case eachVulnerability:
		return varVulnerability, typeOf(Vulnerability{})
	case eachFile:
		return varFile, typeOf(File{})
	}
	return "", nil
}

// scope resolves the variables of one evaluation.
type scope struct {
	facts map[string]any
	name  string // of the element's variable; empty: none
	value any
}

// ResolveName implements cel.Activation.
func (s *scope) ResolveName(name string) (any, bool) {
	if name == s.name && name != "" {
		return s.value, true
	}
	value, ok := s.facts[name]
	return value, ok
}

// Parent implements cel.Activation.
func (s *scope) Parent() cel.Activation { return nil }

// load asks for the facts that are mentioned.
func load(ctx context.Context, pass *policy.Pass, mentions map[string]bool) (map[string]any, error) {
	facts := make(map[string]any, len(mentions))
	for name := range mentions {
		value, err := loadOne(ctx, pass, name)
		if err != nil {
			return nil, err
		}
		facts[name] = value
	}
	return facts, nil
}

func loadOne(ctx context.Context, pass *policy.Pass, name string) (any, error) {
	switch name {
	case varTag:
		return pass.Tag, nil
	case varNow:
		return pass.Now, nil
	case varImage:
		i, err := pass.Image(ctx)
		return Image{Digest: i.Digest, ID: i.ID, OS: i.OS, Arch: i.Arch, Size: i.Size, Layers: i.Layers}, err
	case varDistro:
		i, err := pass.Image(ctx)
		if i.Distro == nil {
			return Distro{}, err
		}
		return Distro(*i.Distro), err
	case varConfig:
		c, err := pass.Config(ctx)
		return Config(c), err
	case varDockerfile:
		d, err := pass.Dockerfile(ctx)
		return Dockerfile{Text: d.Text, Mode: string(d.Mode)}, err
	case varFeeds:
		f, err := pass.FeedStatus(ctx)
		return Feeds{LastSync: f.LastSync, Namespaces: f.Namespaces}, err
	case varFindings:
		f, err := pass.Findings(ctx)
		return viewFindings(f), err
	case varMalware:
		m, err := pass.Malware(ctx)
		return viewMalware(m), err
	case varAncestors:
		all, err := pass.Ancestors(ctx)
		return each(all, func(a *policy.Ancestor) Ancestor { return Ancestor{Digest: a.Digest, Tags: a.Tags, Base: a.Base} }), err
	case varPackages:
		all, err := pass.Packages(ctx)
		return each(all, viewPackage), err
	case varVulnerabilities:
		all, err := pass.Vulnerabilities(ctx)
		return each(all, viewVulnerability), err
	case varFiles:
		entries, err := pass.Files(ctx)
		if err != nil {
			return nil, err
		}
		var all []File
		for entry := range entries {
			all = append(all, viewFile(&entry))
		}
		return all, ctx.Err()
	}
	return nil, fmt.Errorf("variable %s has no facts", name)
}

func each[F, V any](facts []F, view func(*F) V) []V {
	views := make([]V, len(facts))
	for i := range facts {
		views[i] = view(&facts[i])
	}
	return views
}

func viewFindings(f policy.Findings) Findings {
	return Findings{
		Hits: each(f.Hits, func(h *policy.Hit) Hit {
			return Hit{Search: h.Search, Name: h.Name, Path: h.Path, Line: int64(h.Line), Removed: h.Removed}
		}),
		Retrieved: each(f.Retrieved, func(r *policy.Retrieved) Kept { return Kept{Path: r.Path, Content: r.Content} }),
	}
}

func viewMalware(m policy.Malware) Malware {
	return Malware{Scanned: m.Scanned, Reports: each(m.Reports, func(r *policy.MalwareReport) Report {
		return Report{Scanner: r.Scanner, Signatures: r.Signatures, Path: r.Path, Removed: r.Removed}
	})}
}

// element is what an expression is evaluated on.
type element struct {
	variable string
	value    any
	text     func() string // for people; nil for the image
	identity []string      // for trigger ids
}

// elements visits what a rule is evaluated on.
func elements(ctx context.Context, pass *policy.Pass, each string, visit func(element) error) error {
	switch each {
	case eachPackage:
		all, err := pass.Packages(ctx)
		if err != nil {
			return err
		}
		for i := range all {
			p := &all[i]
			if err := visit(element{varPackage, viewPackage(p), func() string {
				return fmt.Sprintf("package %s %s (%s) at %s", p.Name, p.Version, p.Type, p.Location)
			},
				[]string{p.Type, p.Name, p.Version, p.Location}}); err != nil {
				return err
			}
		}
		return nil
	case eachVulnerability:
		all, err := pass.Vulnerabilities(ctx)
		if err != nil {
			return err
		}
		for i := range all {
			v := &all[i]
			p := v.Package
			if err := visit(element{varVulnerability, viewVulnerability(v), func() string { return fmt.Sprintf("%s in package %s %s (%s)", v.ID, p.Name, p.Version, p.Type) },
				[]string{v.ID, p.Type, p.Name, p.Version, p.Location}}); err != nil {
				return err
			}
		}
		return nil
	case eachFile:
		entries, err := pass.Files(ctx)
		if err != nil {
			return err
		}
		for entry := range entries {
			if err := visit(element{varFile, viewFile(&entry), func() string { return entry.Path }, []string{entry.Path}}); err != nil {
				return err
			}
		}
		return nil
	}
	return visit(element{})
}
