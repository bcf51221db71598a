package binary

import (
	"bytes"
	"context"
	"io"

	"plimsoll/engine/catalog"
)

const (
	// chunkSize is how much of a file is searched at a time. With its margins it fits the second-level cache, and
	// all anchors are searched for while it is there.
	chunkSize = 256 << 10
	// margin is kept before and behind a chunk, so that what surrounds an anchor is there.
	margin = 1 << 10
	// maxLooks bounds how often in one file an anchor leads to no version, against files made of anchors.
	maxLooks = 1 << 20
)

// hit is a version found, "" when none was.
type hit struct {
	at         int // in the buffer
	version    string
	classifier *Classifier
}

// search returns the first hit of any try in the file, or the one version all hits agree on where the classifier
// asks for that. It reads chunk bytes at a time; the result does not depend on how many.
func search(ctx context.Context, f *catalog.File, tries []try, chunk int) (hit, error) {
	if len(tries) == 0 {
		return hit{}, nil
	}
	var (
		in    = f.Reader()
		buf   = make([]byte, margin+chunk+margin)
		have  int // valid bytes of buf
		from  int // first byte not searched yet
		sole  hit
		looks = maxLooks
	)
	for {
		if err := ctx.Err(); err != nil {
			return hit{}, err
		}
		n, err := io.ReadFull(in, buf[have:])
		have += n
		last := err == io.EOF || err == io.ErrUnexpectedEOF
		if err != nil && !last {
			return hit{}, err
		}
		to := have - margin
		if last {
			to = have
		}
		first, disputed := look(buf[:have], from, to, tries, &sole, &looks)
		switch {
		case first.version != "":
			return first, nil
		case disputed || looks <= 0:
			return hit{}, nil
		case last:
			return sole, nil
		}
		have = copy(buf, buf[to-margin:have])
		from = margin
	}
}

// look searches for anchors that begin in buf[from:to] and returns the first hit. Hits of classifiers that
// want a sole version are kept in sole instead; disputed tells that two of them differ.
func look(buf []byte, from, to int, tries []try, sole *hit, looks *int) (first hit, disputed bool) {
	for i := range tries {
		t := &tries[i]
		if !t.classifier.Sole {
			if h := t.first(buf, from, to, looks); h.version != "" {
				first, to = h, h.at // only what lies before it can be better
			}
			continue
		}
		for at := from; ; {
			h := t.first(buf, at, to, looks)
			if h.version == "" {
				break
			}
			if sole.version != "" && sole.version != h.version {
				return hit{}, true
			}
			*sole, at = h, h.at+1
		}
	}
	return first, false
}

// first finds the first version whose anchor begins in buf[from:to].
func (t *try) first(buf []byte, from, to int, looks *int) hit {
	for from < to && *looks > 0 {
		i := bytes.Index(buf[from:min(len(buf), to+len(t.anchor)-1)], t.anchor)
		if i < 0 {
			break
		}
		at := from + i
		from = at + 1
		if t.pattern.Digits && !(digit(buf, at-1) && digit(buf, at+len(t.anchor))) {
			continue
		}
		*looks--
		start := max(0, at-t.pattern.Before)
		end := min(len(buf), at+len(t.anchor)+t.pattern.After)
		if version := t.version(buf[start:end], at-start, at-start+len(t.anchor)); version != "" {
			return hit{at, version, t.classifier}
		}
	}
	return hit{}
}

func digit(buf []byte, i int) bool { return i >= 0 && i < len(buf) && '0' <= buf[i] && buf[i] <= '9' }
