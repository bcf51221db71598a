package debian

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/archive"
	"plimsoll/engine/feed/field"
	"plimsoll/engine/version"
)

// Bounds on a list: in 2026 each has about 1 MB.
const (
	maxList = 128 << 20
	maxLine = 64 << 10
	maxCVEs = 5000 // of one advisory
)

// The lines of a list, as its readers in the security-tracker repository take them (lib/python/bugs.py): a header in
// the first column, and indented below it the CVEs and what became of which package.
var (
	headerLine  = regexp.MustCompile(`^\[([0-9]{1,2} [A-Z][a-z]{2} [0-9]{4})\] (D[SL]A-[0-9]+(?:-[0-9]+)?)(?:\s+(.*))?$`)
	packageLine = regexp.MustCompile(`^\[([a-z]+)\]\s+-\s+(\S+)\s+(\S+)`)
)

// securityUpdate is the title of an advisory that fixes flaws, with CVEs or without.
const securityUpdate = "security update"

// listed is an advisory being read.
type listed struct {
	notice   uint32
	title    string
	cves     []string
	packages []noticed
}

// readList reads a list of advisories. Lines that are too long or make no sense are reported and passed over.
func (t *table) readList(ctx context.Context, doc feed.Fetched) error {
	in, err := archive.Open(doc, archive.Limits{Bytes: maxList})
	if err != nil {
		return err
	}
	defer in.Close()
	before := len(t.notices)
	var open *listed
	err = lines(in, func(line string, whole bool) error {
		if !whole {
			t.out.Bad(field.Prose(line, field.MaxID), fmt.Errorf("%w: line of more than %d bytes", ErrStatement, maxLine))
			return nil
		}
		if !strings.HasPrefix(line, "[") {
			return t.readDetail(open, strings.TrimSpace(line))
		}
		if err := errors.Join(ctx.Err(), t.join(open)); err != nil {
			return err
		}
		open = t.readHeader(line)
		return nil
	})
	if err == nil {
		err = t.join(open)
	}
	if err == nil && len(t.notices) == before {
		return fmt.Errorf("%w: no advisory in it", ErrDocument)
	}
	return err
}

// lines calls visit for every line; whole is false for one that was cut because of its length.
func lines(in io.Reader, visit func(line string, whole bool) error) error {
	r := bufio.NewReaderSize(in, maxLine)
	for {
		line, err := r.ReadSlice('\n')
		text, whole := strings.TrimRight(string(line), "\r\n"), true
		for errors.Is(err, bufio.ErrBufferFull) {
			whole = false
			_, err = r.ReadSlice('\n')
		}
		end := errors.Is(err, io.EOF)
		if err != nil && !end {
			return err
		}
		if text != "" {
			if err := visit(text, whole); err != nil {
				return err
			}
		}
		if end {
			return nil
		}
	}
}

// readHeader starts an advisory; nil when the line cannot be read, so that what belongs to it is passed over.
func (t *table) readHeader(line string) *listed {
	m := headerLine.FindStringSubmatch(line)
	if m == nil {
		t.out.Bad(field.Prose(line, field.MaxID), fmt.Errorf("%w: not the first line of an advisory", ErrStatement))
		return nil
	}
	date, err := time.Parse("2 Jan 2006", m[1])
	if err != nil {
		t.out.Bad(m[2], fmt.Errorf("%w: %w", ErrStatement, err))
		return nil
	}
	t.notices = append(t.notices, notice{id: m[2], date: date})
	return &listed{notice: uint32(len(t.notices) - 1), title: m[3]}
}

func (t *table) readDetail(open *listed, line string) error {
	switch {
	case open == nil:
		return nil
	case strings.HasPrefix(line, "{"):
		for _, id := range strings.Fields(strings.Trim(line, "{}")) {
			if field.IsCVE(id) && len(open.cves) < maxCVEs {
				open.cves = append(open.cves, id)
			}
		}
	case strings.HasPrefix(line, "["):
		m := packageLine.FindStringSubmatch(line)
		if m == nil {
			t.out.Bad(t.notices[open.notice].id, fmt.Errorf("%w: line %.80q", ErrStatement, line))
			return nil
		}
		pkg, err := field.Name(m[2])
		if err != nil {
			t.out.Bad(t.notices[open.notice].id, fmt.Errorf("%w: %w", ErrStatement, err))
			return nil
		}
		about, ok := t.about(m[1], pkg)
		if !ok {
			return nil
		}
		said := noticed{subject: about, notice: open.notice}
		if err := t.outcome(&said, m[3]); err != nil {
			t.out.Bad(t.notices[open.notice].id, fmt.Errorf("%w: %w", ErrStatement, err))
			return nil
		}
		open.packages = append(open.packages, said)
		return t.count(1)
	}
	return nil
}

// outcomes are the words that stand in place of a fixed version.
var outcomes = map[string]feed.FixState{
	"<not-affected>": feed.StateNotAffected,
	"<unfixed>":      feed.StateAffected,
	"<end-of-life>":  feed.StateEndOfLife,
}

func (t *table) outcome(said *noticed, text string) error {
	if state, ok := outcomes[text]; ok {
		said.state = t.words.Number(string(state))
		return nil
	}
	fixed, err := field.Version(version.Dpkg, text)
	if err != nil {
		return err
	}
	said.fixed, said.state = t.words.Number(fixed), t.words.Number(string(feed.StateFixed))
	return nil
}

// join hands what an advisory says to the flaws it is about.
func (t *table) join(done *listed) error {
	if done == nil || len(done.packages) == 0 {
		return nil
	}
	about := done.cves
	if len(about) == 0 {
		if !strings.HasSuffix(done.title, securityUpdate) {
			return nil
		}
		about = []string{t.notices[done.notice].id}
	}
	if err := t.count(len(about) * len(done.packages)); err != nil {
		return err
	}
	for _, id := range about {
		f := t.flaw(id)
		f.noticed = append(f.noticed, done.packages...)
	}
	return nil
}
