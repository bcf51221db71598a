package archive_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"testing"

	"github.com/ulikunitz/xz"

	"plimsoll/engine/feed/archive"
	"plimsoll/engine/feed/feedtest"
)

// asking gives an xz document whose block n says that it needs a dictionary of a size (xz file format 1.0.4, section 3.1
// and 5.3.1: sizes are 2^(bits/2+12), with half of it again for odd bits). n counts streams of one block each.
func asking(t testing.TB, blocks, n int, bits byte) []byte {
	t.Helper()
	var out bytes.Buffer
	for i := range blocks {
		var one bytes.Buffer
		w, err := xz.NewWriter(&one)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, "content"); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		stream := one.Bytes()
		if i == n {
			header := stream[12 : 12+(int(stream[12])+1)*4]
			at := bytes.Index(header, []byte{0x21, 1})
			header[at+2] = bits
			binary.LittleEndian.PutUint32(header[len(header)-4:], crc32.ChecksumIEEE(header[:len(header)-4]))
		}
		out.Write(stream)
	}
	return out.Bytes()
}

func TestADocumentMayNotAskForMemoryAtWill(t *testing.T) {
	t.Parallel()
	const largest, beyond, most = 28, 29, 40 // 64 MiB, 96 MiB, 4 GiB
	for name, tt := range map[string]struct {
		document []byte
		want     error
	}{
		"as much as allowed":          {asking(t, 1, 0, largest), nil},
		"more":                        {asking(t, 1, 0, beyond), archive.ErrTooLarge},
		"all there is":                {asking(t, 1, 0, most), archive.ErrTooLarge},
		"more in a stream that comes": {asking(t, 3, 2, beyond), archive.ErrTooLarge},
		"what does not exist":         {asking(t, 1, 0, most+1), archive.ErrFormat},
		// Zstandard: a frame with a window of 128 MiB (RFC 8878, section 3.1.1.1.2).
		"more in Zstandard": {[]byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 17 << 3, 0x01, 0x00, 0x00}, archive.ErrTooLarge},
	} {
		in, err := archive.Open(feedtest.Doc("d", tt.document), archive.Limits{})
		if err == nil {
			_, err = io.Copy(io.Discard, in)
			_ = in.Close()
		}
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

func FuzzWalk(f *testing.F) {
	for _, doc := range [][]byte{
		asking(f, 2, 1, 28), asking(f, 1, 0, 40), []byte("plain"), {0x1f, 0x8b}, []byte("BZh91AY&SY"), []byte("PK\x05\x06" + string(make([]byte, 18))),
	} {
		f.Add(doc)
	}
	limits := archive.Limits{Bytes: 1 << 16, Member: 1 << 12, Members: 8}
	f.Fuzz(func(t *testing.T, doc []byte) {
		members, total := 0, 0
		err := archive.Walk(t.Context(), feedtest.Doc("d", doc), limits, func(m archive.Member) error {
			content, err := m.Bytes()
			members++
			total += len(content)
			return err
		})
		if members > limits.Members || total > int(limits.Bytes) {
			t.Fatalf("%d members with %d bytes", members, total)
		}
		if err != nil && !errors.Is(err, archive.ErrFormat) && !errors.Is(err, archive.ErrTooLarge) {
			t.Fatalf("an error of no kind: %v", err)
		}
		in, err := archive.Open(feedtest.Doc("d", doc), limits)
		if err != nil {
			return
		}
		defer in.Close()
		if n, _ := io.Copy(io.Discard, in); n > limits.Bytes+1 {
			t.Fatalf("%d bytes came out", n)
		}
	})
}
