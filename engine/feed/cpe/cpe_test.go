package cpe_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/feed/cpe"
)

func TestNamesAreReadWithoutTheirEscapes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]cpe.Name{
		`cpe:2.3:a:apache:log4j:2.0:beta9:*:*:*:*:*:*`:         {Part: "a", Vendor: "apache", Product: "log4j", Version: "2.0", Update: "beta9"},
		`cpe:2.3:a:Node.js:C\+\+\:lib:-:*:*:*:*:node.js:*:*`:   {Part: "a", Vendor: "node.js", Product: "c++:lib", Version: "-", TargetSW: "node.js"},
		`cpe:2.3:o:cisco:ios:12.2\(2\)XQ:*:*:*:lts:*:x86:*`:    {Part: "o", Vendor: "cisco", Product: "ios", Version: "12.2(2)XQ", SoftwareEdition: "lts", TargetHW: "x86"},
		`cpe:2.3:h:intel:core_i7-8700:-:*:*:*:*:*:*:*`:         {Part: "h", Vendor: "intel", Product: "core_i7-8700", Version: "-"},
		`cpe:2.3:a:a:b\\c\*:1:*:*:*:*:*:*:*`:                   {Part: "a", Vendor: "a", Product: `b\c*`, Version: "1"},
		`cpe:2.3:a:apache:causeway:4.0.0-M1:*:*:*:*:maven:*:*`: {Part: "a", Vendor: "apache", Product: "causeway", Version: "4.0.0-M1", TargetSW: "maven"},
	} {
		got, err := cpe.Parse(text)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", text, err, diff)
		}
		if again, err := cpe.Parse(got.String()); again != got || err != nil {
			t.Errorf("%s is written as %s, which reads as %+v, %v", text, got, again, err)
		}
	}
	if got := (cpe.Name{Part: "a", Vendor: "x", Product: "c++ lib"}).String(); got != `cpe:2.3:a:x:c\+\+\ lib:*:*:*:*:*:*:*:*` {
		t.Errorf("written: %s", got)
	}
}

func TestWhatIsNoNameIsRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]error{
		"": cpe.ErrName, "cpe:/a:apache:log4j:2.0": cpe.ErrName, "cpe:2.3:o:canonical:ubuntu_linux": cpe.ErrName,
		`cpe:2.3:a:v:p:1:*:*:*:*:*:*:*:*`: cpe.ErrName, `cpe:2.3:a:v:p:1:*:*:*:*:*:*`: cpe.ErrName,
		`cpe:2.3:x:v:p:1:*:*:*:*:*:*:*`: cpe.ErrName, `cpe:2.3:a::p:1:*:*:*:*:*:*:*`: cpe.ErrName,
		`cpe:2.3:a:v:p:\-:*:*:*:*:*:*:*`: cpe.ErrName, `cpe:2.3:a:v:p q:1:*:*:*:*:*:*:*`: cpe.ErrName,
		"cpe:2.3:a:v:p\x00:1:*:*:*:*:*:*:*": cpe.ErrName, `cpe:2.3:a:v:p:1:*:*:*:*:*:*:\`: cpe.ErrName,
		"cpe:2.3:a:v:" + strings.Repeat("p", 3000) + ":1:*:*:*:*:*:*:*": cpe.ErrName,
		`cpe:2.3:a:v:calendar*:1:*:*:*:*:*:*:*`:                         cpe.ErrWildcard, `cpe:2.3:a:v:p:1.?:*:*:*:*:*:*:*`: cpe.ErrWildcard,
	} {
		if got, err := cpe.Parse(text); !errors.Is(err, want) {
			t.Errorf("%.60q: %+v, %v; want %v", text, got, err, want)
		}
	}
}

func TestVersionAndUpdateMakeOneVersion(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ version, update, want string }{
		{"1.0", "", "1.0"}, {"1.0", "-", "1.0"}, {"1.0", "rc1", "1.0-rc1 1.0rc1"}, {"8", "update392", "8-update392 8update392"},
		{"1.0", "2", "1.0-2"}, {"1.0a", "p1", "1.0a-p1"}, {"", "rc1", ""}, {"-", "", ""},
	} {
		got := strings.Join(cpe.Name{Version: c.version, Update: c.update}.Releases(), " ")
		if got != c.want {
			t.Errorf("%q with update %q: %q; want %q", c.version, c.update, got, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`cpe:2.3:a:apache:log4j:2.0:beta9:*:*:*:*:*:*`, `cpe:2.3:a:a:b\\c\*\::-:-:*:*:*:*:*:*`, `cpe:2.3:o:v:p*:1:*:*:*:*:*:*:*`, "cpe:2.3:", `\`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := cpe.Parse(text)
		if err != nil {
			return
		}
		again, err := cpe.Parse(n.String())
		if err != nil || again != n {
			t.Fatalf("%q reads as %+v, is written as %q and reads as %+v, %v", text, n, n.String(), again, err)
		}
		for _, v := range n.Releases() {
			if v == "" {
				t.Fatalf("%q has an empty version", text)
			}
		}
	})
}
