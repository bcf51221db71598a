package bundle_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/bundle"
	"plimsoll/engine/feed/relay"
)

var built = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func key(t testing.TB, seed byte) ed25519.PrivateKey {
	t.Helper()
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
}

func trust(t testing.TB, keys ...ed25519.PrivateKey) bundle.Trust {
	t.Helper()
	var out bundle.Trust
	for _, k := range keys {
		out.Keys = append(out.Keys, k.Public().(ed25519.PublicKey))
	}
	return out
}

// made is a bundle of two groups, and its content.
func made(t testing.TB, signer ed25519.PrivateKey, change func(*bundle.Manifest)) []byte {
	t.Helper()
	files := map[string][]byte{}
	m := bundle.Manifest{Name: "feeds", Built: built, Cursor: origin + "/3"}
	for _, group := range []string{"npm", "pypi"} {
		var raw bytes.Buffer
		content, err := bundle.NewContent(&raw)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			l := relay.Line{Vulnerability: &feed.Vulnerability{Source: "osv", ID: group + "-1", Severity: feed.High}}
			if err := content.Write(l); err != nil {
				t.Fatal(err)
			}
		}
		file, err := content.Close()
		if err != nil {
			t.Fatal(err)
		}
		files[file.SHA256] = raw.Bytes()
		m.Groups = append(m.Groups, bundle.Group{Source: "osv", Name: group, Synced: built, File: &file})
	}
	if change != nil {
		change(&m)
	}
	var out bytes.Buffer
	err := bundle.Write(&out, m, signer, func(f bundle.File) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(files[f.SHA256])), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// read reads all of a bundle as an importer does.
func read(raw []byte, who bundle.Trust) (names []string, err error) {
	b, err := bundle.Open(bytes.NewReader(raw), who)
	if err != nil {
		return nil, err
	}
	for {
		f, err := b.Next()
		if errors.Is(err, io.EOF) {
			return names, nil
		}
		if err != nil {
			return nil, err
		}
		if err := bundle.Read(context.Background(), b, f, "osv", sink{&names}); err != nil {
			return nil, err
		}
	}
}

const origin = "5a0ac1f4-7a5d-4e9f-8f0e-0d6a5a3f7c11"

// sink notes records.
type sink struct{ names *[]string }

func (s sink) Record(r feed.Record) error {
	*s.names = append(*s.names, r.Vulnerability.ID)
	return nil
}
func (sink) Score(feed.Score) error         { return nil }
func (sink) Exploited(feed.Exploited) error { return nil }
func (sink) Lifecycle(feed.Lifecycle) error { return nil }
func (sink) Release(feed.Release) error     { return nil }
func (sink) Exclusion(feed.Exclusion) error { return nil }
func (sink) File(feed.File) error           { return nil }
func (sink) Bad(string, error)              {}

func TestABundleIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	k := key(t, 1)
	names, err := read(made(t, k, nil), trust(t, key(t, 2), k))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"npm-1", "npm-1", "npm-1", "pypi-1", "pypi-1", "pypi-1"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	if !bytes.Equal(made(t, k, nil), made(t, k, nil)) {
		t.Error("the same content gives other bytes")
	}
}

func TestOnlyTrustedKeysAreBelieved(t *testing.T) {
	t.Parallel()
	k := key(t, 1)
	for name, tc := range map[string]struct {
		raw  []byte
		who  bundle.Trust
		want error
	}{
		"another key":           {made(t, k, nil), trust(t, key(t, 2)), bundle.ErrUntrusted},
		"no key at all":         {made(t, k, nil), bundle.Trust{}, bundle.ErrUntrusted},
		"unsigned":              {made(t, nil, nil), trust(t, k), bundle.ErrUntrusted},
		"unsigned, and may be":  {made(t, nil, nil), bundle.Trust{Unsigned: true}, nil},
		"unknown where all may": {made(t, k, nil), bundle.Trust{Unsigned: true}, bundle.ErrUntrusted},
	} {
		if _, err := read(tc.raw, tc.who); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
}

// rebuilt copies a bundle member by member.
func rebuilt(t *testing.T, raw []byte, change func(h *tar.Header, body []byte) (*tar.Header, []byte)) []byte {
	t.Helper()
	var out bytes.Buffer
	w, r := tar.NewWriter(&out), tar.NewReader(bytes.NewReader(raw))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if h, body = change(h, body); h == nil {
			continue
		}
		h.Size = int64(len(body))
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestHostileBundlesAreRefused(t *testing.T) {
	t.Parallel()
	k := key(t, 1)
	good := made(t, k, nil)
	content := func(name string) bool { return strings.HasSuffix(name, ".jsonl.zst") }
	var bomb bytes.Buffer
	squeeze, err := zstd.NewWriter(&bomb)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := squeeze.Write(make([]byte, 8<<20)); err != nil {
		t.Fatal(err)
	}
	squeeze.Close()
	for name, raw := range map[string][]byte{
		"nothing":  {},
		"no tar":   bytes.Repeat([]byte("junk"), 1000),
		"cut":      good[:len(good)-3000],
		"cut more": good[:700],
		"a file that is missing": rebuilt(t, good, func(h *tar.Header, body []byte) (*tar.Header, []byte) {
			if content(h.Name) {
				return nil, nil
			}
			return h, body
		}),
		"a path that leads out": rebuilt(t, good, func(h *tar.Header, body []byte) (*tar.Header, []byte) {
			if content(h.Name) {
				h.Name = "../../etc/" + h.Name
			}
			return h, body
		}),
		"a link": rebuilt(t, good, func(h *tar.Header, body []byte) (*tar.Header, []byte) {
			if content(h.Name) {
				h.Typeflag, h.Linkname, body = tar.TypeSymlink, "/etc/passwd", nil
			}
			return h, body
		}),
		"other bytes": rebuilt(t, good, func(h *tar.Header, body []byte) (*tar.Header, []byte) {
			if content(h.Name) {
				body[len(body)-1] ^= 1
			}
			return h, body
		}),
		"a longer file": rebuilt(t, good, func(h *tar.Header, body []byte) (*tar.Header, []byte) {
			if content(h.Name) {
				body = append(body, 0)
			}
			return h, body
		}),
		"a bomb for a file": rebuilt(t, good, func(h *tar.Header, body []byte) (*tar.Header, []byte) {
			if content(h.Name) {
				body = bomb.Bytes()
			}
			return h, body
		}),
		"a member more": append(rebuilt(t, good, func(h *tar.Header, body []byte) (*tar.Header, []byte) { return h, body })[:len(good)-1024],
			rebuilt(t, good, func(h *tar.Header, body []byte) (*tar.Header, []byte) { return h, body })...),
	} {
		if _, err := read(raw, trust(t, k)); !errors.Is(err, bundle.ErrBundle) {
			t.Errorf("%s: %v, want ErrBundle", name, err)
		}
	}
	changed := rebuilt(t, good, func(h *tar.Header, body []byte) (*tar.Header, []byte) {
		if h.Name == "manifest.json" {
			body = bytes.Replace(body, []byte(`"npm"`), []byte(`"gem"`), 1)
		}
		return h, body
	})
	if _, err := read(changed, trust(t, k)); !errors.Is(err, bundle.ErrUntrusted) {
		t.Errorf("another manifest under the signature: %v, want ErrUntrusted", err)
	}
}

// Also who signs may be mistaken: content is held against what is announced.
func TestManifestsThatNobodyWritesAreRefused(t *testing.T) {
	t.Parallel()
	raw, err := bundle.Open(bytes.NewReader(made(t, nil, nil)), bundle.Trust{Unsigned: true})
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(m *bundle.Manifest){
		"another version":      func(m *bundle.Manifest) { m.Version = 2 },
		"no name":              func(m *bundle.Manifest) { m.Name = "" },
		"no cursor":            func(m *bundle.Manifest) { m.Cursor = "x" },
		"no groups":            func(m *bundle.Manifest) { m.Groups = nil },
		"a group twice":        func(m *bundle.Manifest) { m.Groups = append(m.Groups, m.Groups[0]) },
		"a group of no name":   func(m *bundle.Manifest) { m.Groups[0].Name = "a\nb" },
		"a base of its own":    func(m *bundle.Manifest) { m.Groups[0].Base = origin + "/1" },
		"no content":           func(m *bundle.Manifest) { m.Groups[0].File = nil },
		"a hash that is none":  func(m *bundle.Manifest) { m.Groups[0].File = &bundle.File{SHA256: "../../x", Size: 1} },
		"a size below nothing": func(m *bundle.Manifest) { f := *m.Groups[0].File; f.Size = -1; m.Groups[0].File = &f },
		"raw records":          func(m *bundle.Manifest) { f := *m.Groups[0].File; f.Raw, m.Groups[0].File = true, &f },
		"packed signatures": func(m *bundle.Manifest) {
			m.Groups[0].Files = []bundle.NamedFile{{Name: "a.ndb", File: *m.Groups[0].File}}
		},
		"signatures twice": func(m *bundle.Manifest) {
			f := bundle.NamedFile{Name: "a.ndb", File: bundle.File{SHA256: strings.Repeat("a", 64), Size: 1, ContentSize: 1, Raw: true}}
			m.Groups[0].Files = []bundle.NamedFile{f, f}
		},
		"signatures of another size": func(m *bundle.Manifest) {
			m.Groups[0].Files = []bundle.NamedFile{{Name: "a.ndb", File: bundle.File{SHA256: strings.Repeat("a", 64), Size: 1, ContentSize: 2, Raw: true}}}
		},
		"a bomb": func(m *bundle.Manifest) { f := *m.Groups[0].File; f.ContentSize = 1 << 40; m.Groups[0].File = &f },
	} {
		m, err := bundle.ParseManifest(raw.Raw)
		if err != nil {
			t.Fatal(err)
		}
		change(&m)
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bundle.ParseManifest(text); !errors.Is(err, bundle.ErrBundle) {
			t.Errorf("%s: %v, want ErrBundle", name, err)
		}
	}
}

func TestContentIsAsLongAsAnnounced(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*bundle.File){
		"fewer bytes": func(f *bundle.File) { f.ContentSize-- },
		"more bytes":  func(f *bundle.File) { f.ContentSize++ },
	} {
		raw := made(t, nil, func(m *bundle.Manifest) { change(m.Groups[0].File) })
		if _, err := read(raw, bundle.Trust{Unsigned: true}); !errors.Is(err, bundle.ErrBundle) && !errors.Is(err, relay.ErrDocument) {
			t.Errorf("%s: %v, want ErrBundle", name, err)
		}
	}
}

func TestKeysAreReadAsTheyArePrinted(t *testing.T) {
	t.Parallel()
	k := key(t, 3)
	private, public := bundle.Keys(k)
	gotPrivate, err := bundle.ParsePrivateKey(private)
	if err != nil || !gotPrivate.Equal(k) {
		t.Errorf("private key: %v", err)
	}
	gotPublic, err := bundle.ParsePublicKey(public)
	if err != nil || !gotPublic.Equal(k.Public()) {
		t.Errorf("public key: %v", err)
	}
	if _, err := bundle.ParsePublicKey("AAAA"); err == nil {
		t.Error("three bytes are taken for a key")
	}
}

func FuzzRead(f *testing.F) {
	f.Add(made(f, nil, nil))
	f.Add(made(f, key(f, 1), nil))
	f.Fuzz(func(t *testing.T, raw []byte) {
		_, _ = read(raw, bundle.Trust{Unsigned: true})
	})
}
