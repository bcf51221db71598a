package image

import (
	"fmt"
	"path"
	"strings"

	"plimsoll/engine/catalog"
)

const (
	// maxLinks is how many symbolic links one path may lead through, as in Linux (path_resolution(7)).
	maxLinks = 40
	// maxPath bounds a path of the image in bytes (PATH_MAX): links of upper layers into deep directories of
	// lower ones could otherwise stack up without end.
	maxPath = 4096
	// maxNodes bounds the files and directories of all layers together, implied directories included: a path of a few
	// kilobytes may imply two thousand.
	maxNodes = 5_000_000
	// maxNames bounds their paths, in bytes.
	maxNames = 512 << 20
	// maxSteps bounds the components of paths that are gone along, those of links' targets included: forty links may
	// lead through tens of thousands. A large image takes some ten millions.
	maxSteps = 500_000_000
	// maxFaults bounds the entries without a place that are told one by one.
	maxFaults = 1000
	// impliedMode is what container engines give directories that only an entry below them mentions.
	impliedMode = 0o755
)

// overlay is the file system of the layers applied so far, bottom first.
//
// It follows the OCI image spec (layer.md "Applying Changesets") and, where that is silent, what engines do
// that extract onto the layers below: an entry whose parent is a symbolic link lands where the link leads,
// inside the root, unless its own layer makes that parent a directory.
type overlay struct {
	root   *node
	fault  []overlayFault
	faults int // all of them
	// What may still be spent.
	nodes, names, steps int
}

// overlayFault is an entry that has no place in the file system.
type overlayFault struct {
	layer, index int
	reason       string
	detail       string
}

type node struct {
	name     string
	parent   *node
	children map[string]*node // of directories
	length   int              // bytes of the path
	entry    catalog.Entry    // Path is the one in the layer
	layer    int
	index    int // in the layer's entries, -1 for implied directories
	// before is the file of a lower layer that this one took the place of.
	before *node
	// source is what a hard link leads to.
	source *node
}

func newOverlay() *overlay {
	return &overlay{
		root:  &node{children: map[string]*node{}, index: -1, entry: catalog.Entry{Type: catalog.Directory, Mode: impliedMode}},
		nodes: maxNodes, names: maxNames, steps: maxSteps,
	}
}

// spent reports that the layers ask for more than an image may: ErrLimit.
func (o *overlay) spent() error {
	switch {
	case o.nodes < 0:
		return fmt.Errorf("%w: more than %d files and directories in all layers of the image", ErrLimit, maxNodes)
	case o.names < 0:
		return fmt.Errorf("%w: more than %d bytes of paths in all layers of the image", ErrLimit, maxNames)
	case o.steps < 0:
		return fmt.Errorf("%w: links and paths of the image take more than %d steps to follow", ErrLimit, maxSteps)
	}
	return nil
}

func (o *overlay) noPlace(f overlayFault) {
	if o.faults++; o.faults <= maxFaults {
		o.fault = append(o.fault, f)
	}
}

func (n *node) isDir() bool { return n.entry.Type == catalog.Directory }

// file is the node whose content n shows.
func (n *node) file() *node {
	if n.source != nil {
		return n.source
	}
	return n
}

func (n *node) path() string {
	if n.parent == nil {
		return "/"
	}
	buf := make([]byte, n.length)
	end := n.length
	for ; n.parent != nil; n = n.parent {
		end -= len(n.name)
		copy(buf[end:], n.name)
		end--
		buf[end] = '/'
	}
	return string(buf)
}

// changes is one layer on its way onto an overlay.
type changes struct {
	*overlay
	layer   int
	entries []catalog.Entry
	dirs    map[string]bool  // directories the layer names, nil until needed
	hidden  map[string]*node // files its whiteouts took away, by path
	pending []int            // hard links whose target was not there yet
}

// apply lays a layer over the overlay. Its whiteouts concern lower layers only, wherever in the archive they
// stand; the rest is applied in the archive's order.
func (o *overlay) apply(layer int, entries []catalog.Entry) error {
	c := &changes{overlay: o, layer: layer, entries: entries, hidden: map[string]*node{}}
	for i := range entries {
		if err := o.spent(); err != nil {
			return err
		}
		switch entries[i].Type {
		case catalog.Whiteout:
			c.whiteout(entries[i].Path)
		case catalog.Opaque:
			if dir, _ := c.locate(entries[i].Path, false); dir != nil {
				clear(dir.children)
			}
		}
	}
	for i := range entries {
		if err := o.spent(); err != nil {
			return err
		}
		if t := entries[i].Type; t != catalog.Whiteout && t != catalog.Opaque {
			c.place(i)
		}
	}
	for _, i := range c.pending {
		if err := o.spent(); err != nil {
			return err
		}
		c.linkLate(i)
	}
	return o.spent()
}

func (c *changes) whiteout(hidden string) {
	dir, base := path.Split(hidden)
	parent, _ := c.locate(dir, false)
	if parent == nil {
		return
	}
	if n := parent.children[base]; n != nil {
		if n.entry.Type == catalog.Regular || n.entry.Type == catalog.Hardlink {
			c.hidden[n.path()] = n
		}
		delete(parent.children, base)
	}
}

// place puts one entry into the file system.
func (c *changes) place(index int) {
	e := c.entries[index]
	if e.Path == "/" {
		if e.Type == catalog.Directory {
			c.root.entry, c.root.layer, c.root.index = e, c.layer, index
		}
		return
	}
	dir, base := path.Split(e.Path)
	parent, reason := c.locate(dir, true)
	if parent != nil && parent.length+1+len(base) > maxPath {
		parent, reason = nil, "its path in the image is too long"
	}
	if parent == nil {
		c.noPlace(overlayFault{c.layer, index, catalog.ReasonBadPath, reason})
		return
	}
	old := parent.children[base]
	if old != nil && old.isDir() && e.Type == catalog.Directory {
		old.entry, old.layer, old.index = e, c.layer, index
		return
	}
	n := c.child(parent, base, e, index)
	switch e.Type {
	case catalog.Directory:
		n.children = map[string]*node{}
	case catalog.Hardlink:
		if target := c.linkTarget(e.Link, n); target != nil {
			n.link(target)
		} else {
			c.pending = append(c.pending, index)
		}
	}
	c.succeed(n, old)
}

// child makes a node and hangs it under its parent, in place of any other of that name.
func (c *changes) child(parent *node, name string, e catalog.Entry, index int) *node {
	n := &node{name: name, parent: parent, length: parent.length + 1 + len(name), entry: e, layer: c.layer, index: index}
	c.nodes--
	c.names -= n.length
	parent.children[name] = n
	return n
}

// succeed ties a file to the lower layer's file it replaces.
func (c *changes) succeed(n, old *node) {
	if n.entry.Type != catalog.Regular && n.entry.Type != catalog.Hardlink {
		return
	}
	if old == nil && len(c.hidden) > 0 {
		old = c.hidden[n.path()]
	}
	if old != nil && (old.entry.Type == catalog.Regular || old.entry.Type == catalog.Hardlink) {
		n.before = old
		if old.layer == c.layer {
			n.before = old.before
		}
	}
}

// linkTarget finds what a hard link names: its parents may be symbolic links, itself it is not followed. The
// link's own node n does not count.
func (c *changes) linkTarget(link string, n *node) *node {
	dir, base := path.Split(link)
	parent, _ := c.locate(dir, false)
	if parent == nil {
		return nil
	}
	target := parent.children[base]
	if target == nil || target == n || target.isDir() || target.entry.Type == catalog.Hardlink && target.source == nil {
		return nil
	}
	return target
}

func (n *node) link(target *node) {
	n.source = target.file()
	e := &n.source.entry
	n.entry.Mode, n.entry.UID, n.entry.GID, n.entry.Size = e.Mode, e.UID, e.GID, e.Size
	n.entry.SHA256, n.entry.MD5, n.entry.SHA1 = e.SHA256, e.MD5, e.SHA1
}

// linkLate tries a hard link again that came before its target in the archive.
func (c *changes) linkLate(index int) {
	e := c.entries[index]
	dir, base := path.Split(e.Path)
	parent, _ := c.locate(dir, false)
	if parent == nil {
		return
	}
	n := parent.children[base]
	if n == nil || n.layer != c.layer || n.index != index {
		return
	}
	if target := c.linkTarget(e.Link, n); target != nil {
		n.link(target)
		return
	}
	c.noPlace(overlayFault{c.layer, index, catalog.ReasonUnreadable, "hard link to " + e.Link + ", which does not exist"})
}

// makes reports whether the layer itself names the path as a directory.
func (c *changes) makes(dir string) bool {
	if c.dirs == nil {
		c.dirs = map[string]bool{}
		for i := range c.entries {
			if c.entries[i].Type == catalog.Directory {
				c.dirs[c.entries[i].Path] = true
			}
		}
	}
	return c.dirs[dir]
}

// locate finds the directory a path of the layer means. With create, missing directories come into being and
// files in the way give way; without, nil then says that there is none. The reason tells why a path cannot be
// placed at all.
func (c *changes) locate(dir string, create bool) (at *node, reason string) {
	return c.overlay.walk(dir, func(parent *node, name string, own int) (*node, bool) {
		child := parent.children[name]
		if child != nil && (child.isDir() || child.entry.Type == catalog.Symlink && (own < 0 || !c.makes(dir[:own]))) {
			return child, true
		}
		if !create || parent.length+1+len(name) > maxPath {
			return nil, false
		}
		implied := c.child(parent, name, catalog.Entry{Type: catalog.Directory, Mode: impliedMode}, -1)
		implied.children = map[string]*node{}
		return implied, true
	})
}

// follow finds the node a path means, all symbolic links followed; nil when there is none.
func (o *overlay) follow(file string) *node {
	at, _ := o.walk(file, func(parent *node, name string, _ int) (*node, bool) {
		child := parent.children[name]
		return child, child != nil
	})
	return at
}

// walk goes along an absolute path from the root. step gives the child of a name; own is how much of the path
// has been walked with that name, -1 for components that come from a link's target.
func (o *overlay) walk(file string, step func(parent *node, name string, own int) (*node, bool)) (at *node, reason string) {
	at = o.root
	rest, links := file, 0
	ownLeft := len(file) // this much at the end of rest is the path's own
	for rest != "" {
		if o.steps--; o.steps < 0 {
			return nil, "its links lead too far"
		}
		name, after, more := strings.Cut(rest, "/")
		own := -1
		if len(rest) <= ownLeft {
			ownLeft = len(after)
			own = len(file) - len(after)
			if more {
				own--
			}
		}
		rest = after
		switch name {
		case "", ".":
			continue
		case "..":
			if at.parent != nil {
				at = at.parent
			}
			continue
		}
		if !at.isDir() {
			return nil, "a parent is not a directory"
		}
		next, ok := step(at, name, own)
		if !ok {
			return nil, "its path in the image is too long"
		}
		if next.entry.Type != catalog.Symlink {
			at = next
			continue
		}
		if links++; links > maxLinks {
			return nil, "too many symbolic links on its path"
		}
		if strings.HasPrefix(next.entry.Link, "/") {
			at = o.root
		}
		rest = next.entry.Link + "/" + rest
	}
	return at, ""
}
