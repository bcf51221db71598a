package image

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
)

func encodedEntries(t testing.TB, entries []catalog.Entry) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := EncodeEntries(&buf, entries); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestEntriesSurviveEncoding(t *testing.T) {
	t.Parallel()
	odd := []catalog.Entry{
		{Path: "/", Type: catalog.Directory, Mode: 0o7777, UID: -1, GID: 1 << 40},
		{Path: "/a\nb\tc\"", Type: catalog.Symlink, Link: "\n../x"},
		{Path: "/big", Type: catalog.Regular, Size: 1 << 62, SHA256: hexOf("big")},
		{Path: "/sums", Type: catalog.Hardlink, SHA256: hexOf("x"), MD5: strings.Repeat("0f", 16), SHA1: strings.Repeat("1e", 20)},
		{Path: "/sha1", Type: catalog.Regular, SHA1: strings.Repeat("1e", 20)},
		{Path: "", Type: catalog.Opaque}, {Path: "/b", Type: catalog.Whiteout},
		{Path: "/" + strings.Repeat("long", 1000), Type: catalog.Fifo}, {Path: "/c", Type: catalog.CharDev}, {Path: "/d", Type: catalog.BlockDev},
	}
	stacks := [][]catalog.Entry{nil, odd}
	for seed := range uint64(200) {
		stacks = append(stacks, randomStack(rand.New(rand.NewPCG(seed, 4)))...)
	}
	for _, want := range stacks {
		got, err := DecodeEntries(iotest.OneByteReader(bytes.NewReader(encodedEntries(t, want))))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(want, got) {
			t.Fatal(cmp.Diff(want, got))
		}
	}
}

func TestDecodeEntriesRefuses(t *testing.T) {
	t.Parallel()
	good := encodedEntries(t, []catalog.Entry{{Path: "/a", Type: catalog.Regular, SHA256: hexOf("")}, {Path: "/ab", Type: catalog.Fifo}})
	for n := range good {
		if _, err := DecodeEntries(bytes.NewReader(good[:n])); !errors.Is(err, ErrEncoding) {
			t.Fatalf("cut after %d of %d bytes: %v", n, len(good), err)
		}
	}
	head := entriesMagic
	for name, text := range map[string]string{
		"something after the end":   string(good) + "x",
		"another format":            strings.Replace(string(good), "1", "2", 1),
		"a lying count":             head + "\xff\xff\xff\x04",
		"a count beyond all bounds": head + "\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
		"a count that overflows":    head + strings.Repeat("\xe1", 9) + "0",
		"an unknown type":           head + "\x01\x7f",
		"a shared path of nothing":  head + "\x01\x00\x00\x00\x00\x00\x05\x00\x00",
		"a path without end":        head + "\x01\x00\x00\x00\x00\x00\x00\xff\xff\xff\x7f",
	} {
		if _, err := DecodeEntries(strings.NewReader(text)); !errors.Is(err, ErrEncoding) {
			t.Errorf("%s: %v", name, err)
		}
	}
	broken := errors.New("broken")
	if _, err := DecodeEntries(io.MultiReader(bytes.NewReader(good[:30]), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("reader's error: %v", err)
	}
}

func TestEncodeEntriesRefuses(t *testing.T) {
	t.Parallel()
	for _, e := range []catalog.Entry{
		{Path: "/a", Type: "socket"}, {Path: "/a", Type: catalog.Regular, SHA256: "abc"},
		{Path: "/a", Type: catalog.Regular, SHA256: strings.Repeat("z", 64)}, {Path: strings.Repeat("a", maxEntryText+1), Type: catalog.Fifo},
	} {
		if err := EncodeEntries(io.Discard, []catalog.Entry{e}); !errors.Is(err, errEntry) {
			t.Errorf("%.20s: %v", e.Path, err)
		}
	}
}

func sampleEvidence() ([]FileEvidence, []catalog.Incompleteness) {
	return []FileEvidence{
			python("/p<&>", "x"), dpkgs(status, "a=1", "b=2"), release("/etc/os-release", "12"), owns("/l", "a", "/x", "/y"),
		}, []catalog.Incompleteness{
			{Path: "/a", Analyzer: "b", Reason: catalog.ReasonTimeout, Detail: "d"},
		}
}

func TestEvidenceSurvivesEncoding(t *testing.T) {
	t.Parallel()
	evidence, incomplete := sampleEvidence()
	var buf bytes.Buffer
	if err := EncodeEvidence(&buf, evidence, incomplete); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(buf.String(), "\n"); n != 6 {
		t.Errorf("%d lines, want a header and one per record", n)
	}
	gotEvidence, gotIncomplete, err := DecodeEvidence(bytes.NewReader(buf.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(evidence, gotEvidence) + cmp.Diff(incomplete, gotIncomplete); diff != "" {
		t.Error(diff)
	}
	for n := range buf.Len() - 1 { // the last newline may be missing
		if _, _, err := DecodeEvidence(bytes.NewReader(buf.Bytes()[:n])); !errors.Is(err, ErrEncoding) {
			t.Fatalf("cut after %d bytes: %v", n, err)
		}
	}
	for name, text := range map[string]string{
		"something after the end": buf.String() + "{}",
		"another format":          strings.Replace(buf.String(), ":2", ":1", 1),
		"negative count":          `{"evidence_format":2,"evidence":-1}`,
		"wrong type":              `{"evidence_format":2,"evidence":1}` + "\n[]",
	} {
		if _, _, err := DecodeEvidence(strings.NewReader(text)); !errors.Is(err, ErrEncoding) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
