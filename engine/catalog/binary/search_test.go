package binary

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"plimsoll/engine/catalog"
)

// The version is found wherever the borders of the chunks fall.
func TestChunkBorders(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ file, text, want string }{
		{"/bin/bash", "\x00@(#)Bash version 5.2.15(1) release GNU\x00", "bash 5.2.15"},
		{"/usr/sbin/mariadbd", "\x0010.11.19-MariaDB\x00", "mariadb 10.11.19"},
		{"/usr/bin/python3.11", "\x003.11.2\x00", "python 3.11.2"},
	} {
		content := make([]byte, 2*chunkSize+4*margin)
		for _, border := range []int{margin, chunkSize + margin, chunkSize + 2*margin, 2*chunkSize + margin, len(content)} {
			for at := max(0, border-len(c.text)-2); at <= min(border+2, len(content)-len(c.text)); at++ {
				copy(content[at:], c.text)
				if got := found(t, c.file, string(content)); got != c.want {
					t.Fatalf("%s at %d: got %q", c.file, at, got)
				}
				clear(content[at : at+len(c.text)])
			}
		}
	}
}

func TestFirstHitCounts(t *testing.T) {
	t.Parallel()
	gap := strings.Repeat("\x00", chunkSize)
	for content, want := range map[string]string{
		"curl/8.1.0\x00" + gap + "curl/8.2.0\x00":                     "curl 8.1.0",
		"curl/8.1.0 \x00curl/8.2.0\x00":                               "curl 8.2.0",
		"curl/\x00" + gap + "curl/8.1.\x00" + gap + "curl/8.2.0\x00x": "curl 8.2.0",
	} {
		if got := found(t, "/usr/bin/curl", content); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestSoleVersion(t *testing.T) {
	t.Parallel()
	k := Classifier{Name: "x", Patterns: []Pattern{linked}, Sole: true}
	gap := strings.Repeat("\x00", chunkSize)
	for name, c := range map[string]struct{ content, want string }{
		"alone":            {"\x00v1.28.4\x00", "1.28.4"},
		"after a constant": {"\xb0\xbe2.10.7\x00\x00$a", "2.10.7"},
		"twice the same":   {"\x00v1.20.2\x00" + gap + "\x00v1.20.2\x00", "1.20.2"},
		"two":              {"\x00v1.20.2\x00" + gap + "\x00v1.20.3\x00", ""},
		"a candidate":      {"\x003.0.0-rc1\x00", "3.0.0-rc1"},
		"within a word":    {"\x00go1.21.3\x00/v1.2.3\x00sqlite-3.46.0\x00v1.2.3 \x00", ""},
	} {
		got, err := search(context.Background(), file("/x", []byte(c.content)), k.tries("x"), chunkSize)
		if err != nil || got.version != c.want {
			t.Errorf("%s: got %q, %v", name, got.version, err)
		}
	}
}

func TestFileMadeOfAnchorsEnds(t *testing.T) {
	t.Parallel()
	content := bytes.Repeat([]byte("1."), maxLooks+16)
	k := Classifier{Name: "x", Sole: true, Patterns: []Pattern{{
		Anchors: []string{"."}, After: 4, Regexp: regexp.MustCompile(`\A\.(?P<version>2\.3)\x00`),
	}}}
	copy(content, "\x001.2.3\x00")
	if got, err := search(context.Background(), file("/x", content), k.tries("x"), chunkSize); err != nil || got.version != "" {
		t.Errorf("a version from a file not searched to its end: %q, %v", got.version, err)
	}
}

type brokenReader struct{}

var errBroken = errors.New("broken")

func (brokenReader) ReadAt([]byte, int64) (int, error) { return 0, errBroken }

func TestFailures(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"/usr/bin/node", "/opt/java/release"} {
		f := &catalog.File{Entry: catalog.Entry{Path: name, Size: 10}, Content: brokenReader{}}
		if got, err := analyze(context.Background(), f); !errors.Is(err, errBroken) || !got.Empty() {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := analyze(ctx, file("/usr/bin/node", []byte("x"))); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// Whatever the bytes, a find is a package that can be stored, and it does not depend on how the file is cut.
func FuzzAnalyze(f *testing.F) {
	names := []string{
		"/usr/bin/python3.11", "/usr/bin/node", "/usr/bin/redis-server", "/usr/sbin/mysqld", "/usr/sbin/haproxy", "/usr/bin/beam.smp",
		"/usr/lib/libcrypto.so.3", "/usr/lib/libstd-0.so", "/usr/bin/postgres", "/usr/bin/perl", "/opt/java/release", "/usr/local/go/VERSION",
	}
	for i, seed := range []string{
		"\x003.11.2\x00", "node.js/v20.20.2\x00", "\x007.2.5buildkitsandbox-1725496002000000000\x00", "\x0010.11.19-MariaDB\x00/mysql-5.6.51/",
		" version 2.6.12-1+deb12u4, released 2026/10/17\x00", "\x00\x0026.1.2\x00\x00Erlang/OTP 26", "OpenSSL 3.0.22 25 Aug 2026",
		"/rustc-1.63.0/library/", "postgres (PostgreSQL) 15.18\n", "This is perl 5, version 36, subversion 0 (", "JAVA_VERSION=\"1.8.0_392\"", "go1.21.3\n",
	} {
		f.Add(i, []byte(seed))
	}
	f.Fuzz(func(t *testing.T, i int, content []byte) {
		name := names[uint(i)%uint(len(names))]
		got, _ := analyze(context.Background(), file(name, content))
		for _, p := range got.Packages {
			if err := p.Check(); err != nil || p.Type != catalog.TypeBinary || p.PURL == "" {
				t.Fatalf("%+v: %v", p, err)
			}
		}
		base := name[strings.LastIndexByte(name, '/')+1:]
		known.names(base, func(k *Classifier) bool {
			whole, _ := search(context.Background(), file(name, content), k.tries(base), chunkSize)
			cut, _ := search(context.Background(), file(name, content), k.tries(base), 7)
			if whole.version != cut.version {
				t.Fatalf("%s: %q in one piece, %q in many", name, whole.version, cut.version)
			}
			return false
		})
	})
}

// benchmarkSize is the size of a large runtime: Node.js has 100 to 120 MB.
const benchmarkSize = 100 << 20

// BenchmarkSearch reads a file of machine code, read-only data and text, of the kind the programs are, to the
// end: the program running, over and over, and no version in it counts.
func BenchmarkSearch(b *testing.B) {
	content := program(b)
	for len(content) < benchmarkSize {
		content = append(content, content...)
	}
	content = content[:benchmarkSize]
	linkedOnly := Classifier{Name: "linked", Patterns: []Pattern{linked}, Sole: true}
	for _, name := range []string{"python3.11", "node", "redis-server", "mysqld", "haproxy", "libcrypto.so.3", "postgres"} {
		var tries []try
		known.names(name, func(k *Classifier) bool {
			tries = append(tries, k.tries(name)...)
			return false
		})
		b.Run(fmt.Sprintf("%s/%d", name, len(tries)), func(b *testing.B) { benchmark(b, content, tries) })
	}
	b.Run("linked/1", func(b *testing.B) { benchmark(b, content, linkedOnly.tries("")) })
}

func benchmark(b *testing.B, content []byte, tries []try) {
	for i := range tries {
		tries[i].prefix = "none"
	}
	b.SetBytes(int64(len(content)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := search(context.Background(), file("/x", content), tries, chunkSize); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWants(b *testing.B) {
	head := []byte("\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 9) + "\x03\x00>\x00")
	for b.Loop() {
		for _, name := range []string{"/usr/lib/x86_64-linux-gnu/libfoo.so.1", "/usr/share/perl/5.36.0/Carp.pm", "/usr/bin/sed"} {
			wants(catalog.Candidate{Entry: catalog.Entry{Path: name}, Head: head})
		}
	}
}
