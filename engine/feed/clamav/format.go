package clamav

import (
	"bufio"
	"bytes"
	"context"
	"crypto/md5" // #nosec G501 -- what the format has; clamd checks the signature over it
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"plimsoll/engine/feed"
)

// packed is the ending of databases that ClamAV packs and signs.
const packed = ".cvd"

// format is what a line of a text database has at least.
type format struct {
	separator string
	fields    int
}

// formats are the databases that may be distributed, by the endings of their names. Of YARA rules only the text is looked
// at: their grammar is clamd's business.
var formats = map[string]format{
	packed: {},
	".hdb": {":", 3}, ".hsb": {":", 3}, ".hdu": {":", 3}, ".hsu": {":", 3}, // hash:size:name
	".mdb": {":", 3}, ".msb": {":", 3}, ".mdu": {":", 3}, ".msu": {":", 3}, // size:hash:name
	".fp": {":", 3}, ".sfp": {":", 3},
	".ndb": {":", 4}, ".ndu": {":", 4}, // name:target:offset:signature
	".ldb": {";", 4}, ".ldu": {";", 4}, // name;target;expression;subsignature...
	".cdb": {":", 8}, ".ign": {":", 3}, ".ign2": {":", 1},
	".yar": {}, ".yara": {},
}

func endings() []string { return slices.Sorted(maps.Keys(formats)) }

const (
	headerBytes = 512     // of a .cvd; what follows is what its digest covers
	maxLine     = 1 << 20 // bytes of a line of text; the longest official logical signatures have some 10 kB
)

type header struct {
	version string
	built   *time.Time
}

// readHeader takes the header of a .cvd apart and compares the digest it has: "ClamAV-VDB:07 Jul 2026 11-32 +0000:
// version:signatures:level:md5:signature:builder:seconds", filled up with spaces.
func readHeader(ctx context.Context, doc feed.Fetched) (header, error) {
	raw := make([]byte, headerBytes)
	if _, err := io.ReadFull(doc.Reader(), raw); err != nil {
		return header{}, fmt.Errorf("%w: shorter than the header of a .cvd", ErrSignatures)
	}
	fields := strings.Split(strings.TrimRight(string(raw), " \x00"), ":")
	if len(fields) < 8 || fields[0] != "ClamAV-VDB" {
		return header{}, fmt.Errorf("%w: no header of a .cvd", ErrSignatures)
	}
	if version, err := strconv.ParseUint(fields[2], 10, 32); err != nil || strconv.FormatUint(version, 10) != fields[2] {
		return header{}, fmt.Errorf("%w: version %.40q", ErrSignatures, fields[2])
	}
	sum := md5.New() // #nosec G401 -- see the import
	rest := io.NewSectionReader(doc, headerBytes, doc.Size-headerBytes)
	if _, err := io.Copy(sum, &stoppable{ctx, rest}); err != nil {
		return header{}, err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != strings.ToLower(fields[5]) {
		return header{}, fmt.Errorf("%w: its MD5 is %s and should be %.40q", ErrSignatures, got, fields[5])
	}
	h := header{version: fields[2]}
	if built, err := time.Parse("02 Jan 2006 15-04 -0700", fields[1]); err == nil {
		built = built.UTC()
		h.built = &built
	}
	return h, nil
}

// stoppable ends with its context.
type stoppable struct {
	ctx context.Context //nolint:containedctx // it lives as long as one read
	in  io.Reader
}

func (s *stoppable) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.in.Read(p)
}

// checkText reads every line. It need not know what clamd accepts, but tells a page of an error, a binary or another
// format from a database.
func checkText(ctx context.Context, in io.Reader, f format) error {
	lines := bufio.NewScanner(&stoppable{ctx, in})
	lines.Buffer(make([]byte, 64<<10), maxLine)
	said := false
	for n := 1; lines.Scan(); n++ {
		line := bytes.TrimRight(lines.Bytes(), "\r")
		if !utf8.Valid(line) || bytes.IndexByte(line, 0) >= 0 {
			return fmt.Errorf("%w: line %d is not text", ErrSignatures, n)
		}
		text := bytes.TrimSpace(line)
		if len(text) == 0 || text[0] == '#' {
			continue
		}
		if !said && text[0] == '<' {
			return fmt.Errorf("%w: it is a page", ErrSignatures)
		}
		said = true
		if f.fields > 0 && bytes.Count(line, []byte(f.separator)) < f.fields-1 {
			return fmt.Errorf("%w: line %d has fewer than %d fields", ErrSignatures, n, f.fields)
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrSignatures, err)
	}
	if !said {
		return fmt.Errorf("%w: it is empty", ErrSignatures)
	}
	return nil
}
