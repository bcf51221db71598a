package verify_test

import (
	"crypto/sha1"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
	"plimsoll/engine/verify"
)

func TestFile(t *testing.T) {
	t.Parallel()
	md5, other := strings.Repeat("0a", 16), strings.Repeat("0b", 16)
	sum := sha1.Sum([]byte("busybox"))
	target := "sha1:" + hex.EncodeToString(sum[:])
	regular := catalog.Entry{Type: catalog.Regular, Mode: 0o755, Size: 5, MD5: md5, SHA256: strings.Repeat("0", 64)}
	link := catalog.Entry{Type: catalog.Symlink, Mode: 0o777, Link: "busybox"}
	changed := func(aspects ...verify.Aspect) verify.Result { return verify.Result{Changed: aspects} }
	ok := verify.Result{}
	for name, test := range map[string]struct {
		recorded catalog.RecordedFile
		actual   *catalog.Entry
		want     verify.Result
	}{
		"nothing recorded":                 {catalog.RecordedFile{}, &regular, ok},
		"missing":                          {catalog.RecordedFile{}, nil, verify.Result{Missing: true}},
		"optional":                         {catalog.RecordedFile{Optional: true}, nil, ok},
		"same":                             {catalog.RecordedFile{Digest: "md5:" + md5, Mode: 0o100755, Size: 5}, &regular, ok},
		"other content":                    {catalog.RecordedFile{Digest: "md5:" + other, Mode: 0o100755, Size: 5}, &regular, changed(verify.Digest)},
		"everything":                       {catalog.RecordedFile{Digest: "md5:" + other, Mode: 0o100644, Size: 6}, &regular, changed(verify.Mode, verify.Size, verify.Digest)},
		"setuid":                           {catalog.RecordedFile{Mode: 0o104755}, &regular, changed(verify.Mode)},
		"mode 0000 recorded with its type": {catalog.RecordedFile{Mode: 0o100000}, &regular, changed(verify.Mode)},
		"any mode":                         {catalog.RecordedFile{Mode: catalog.ModeRegular | catalog.ModeAny}, &regular, ok},
		"mode without type":                {catalog.RecordedFile{Mode: 0o644}, &regular, changed(verify.Mode)},
		"a digest not computed":            {catalog.RecordedFile{Digest: "sha1:00"}, &regular, verify.Result{Incomparable: true}},
		"an unknown algorithm":             {catalog.RecordedFile{Digest: "sha512:00"}, &regular, verify.Result{Incomparable: true}},
		"not computed, but another size":   {catalog.RecordedFile{Digest: "sha1:00", Size: 4}, &regular, verify.Result{Changed: []verify.Aspect{verify.Size}, Incomparable: true}},
		"a directory for a file":           {catalog.RecordedFile{Digest: "md5:" + md5}, &catalog.Entry{Type: catalog.Directory}, changed(verify.Type)},
		"a link for dpkg's file":           {catalog.RecordedFile{Digest: "md5:" + md5}, &link, changed(verify.Type)},
		"a file for a directory":           {catalog.RecordedFile{Mode: 0o040755}, &regular, changed(verify.Type)},
		"a device for a file":              {catalog.RecordedFile{Mode: 0o100644}, &catalog.Entry{Type: catalog.CharDev}, changed(verify.Type)},
		"a recorded device":                {catalog.RecordedFile{Mode: 0o020644}, &catalog.Entry{Type: catalog.CharDev, Mode: 0o644}, ok},
		"apk's link":                       {catalog.RecordedFile{Mode: 0o777, Digest: target}, &link, ok},
		"apk's link elsewhere":             {catalog.RecordedFile{Mode: 0o777, Digest: "sha1:00"}, &link, changed(verify.Digest)},
		"rpm's link":                       {catalog.RecordedFile{Mode: 0o120777, Link: "busybox"}, &link, ok},
		"rpm's link elsewhere":             {catalog.RecordedFile{Mode: 0o120777, Link: "bash"}, &link, changed(verify.Target)},
		"the mode of a link":               {catalog.RecordedFile{Mode: 0o120700}, &link, ok},
		"the size of a directory":          {catalog.RecordedFile{Mode: 0o040755, Size: 9}, &catalog.Entry{Type: catalog.Directory, Mode: 0o755}, ok},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, verify.File(&test.recorded, test.actual)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
