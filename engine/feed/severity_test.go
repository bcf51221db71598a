package feed

import (
	"errors"
	"testing"
)

func TestVendorWordsBecomeSeverities(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]Severity{
		"low": Low, "moderate": Medium, "important": High, "critical": Critical, // Red Hat and kin
		"medium": Medium, "medium**": Medium, "unimportant": Negligible, // Amazon, Debian
		"negligible": Negligible, "untriaged": Unknown, // Ubuntu
		"MODERATE": Medium, "HIGH": High, " Critical ": Critical, // GitHub
		"urgent": Critical, "unspecified": Unknown, // Fedora
	} {
		if got, ok := ParseSeverity(word); !ok || got != want {
			t.Errorf("ParseSeverity(%q) = %v, %v; want %v", word, got, ok, want)
		}
	}
	for _, word := range []string{"", "not yet assigned", "end-of-life", "7.5"} {
		if got, ok := ParseSeverity(word); ok {
			t.Errorf("ParseSeverity(%q) = %v; want none", word, got)
		}
	}
	for s := Unknown; s <= Critical; s++ {
		if got, ok := ParseSeverity(s.String()); !ok || got != s {
			t.Errorf("%v does not survive its own name: %v, %v", s, got, ok)
		}
	}
}

// The scores are those NVD and FIRST publish for the vectors.
func TestVectorsAreScored(t *testing.T) {
	t.Parallel()
	for vector, want := range map[string]struct {
		version                      string
		base, exploitability, impact float64
		severity                     Severity
	}{
		"AV:N/AC:L/Au:N/C:P/I:P/A:P":                                      {"2.0", 7.5, 10, 6.4, High},
		"AV:N/AC:L/Au:N/C:C/I:C/A:C":                                      {"2.0", 10, 10, 10, High},
		"CVSS:3.0/AV:L/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:L":                    {"3.0", 4.0, 2.5, 1.4, Medium},
		"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H":                    {"3.1", 9.8, 3.9, 5.9, Critical},
		"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H":                    {"3.1", 10, 3.9, 6.0, Critical},
		"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N":                    {"3.1", 0, 3.9, 0, Unknown},
		"CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N": {"4.0", 9.3, -1, -1, Critical},
	} {
		got, err := ParseCVSS(vector)
		if err != nil {
			t.Errorf("%s: %v", vector, err)
			continue
		}
		sub := func(p *float64) float64 {
			if p == nil {
				return -1
			}
			return *p
		}
		if got.Version != want.version || got.Vector != vector || *got.Base != want.base ||
			sub(got.Exploitability) != want.exploitability || sub(got.Impact) != want.impact || got.Severity() != want.severity {
			t.Errorf("%s: version %s base %v exploitability %v impact %v %v; want %+v",
				vector, got.Version, *got.Base, sub(got.Exploitability), sub(got.Impact), got.Severity(), want)
		}
	}
	for _, vector := range []string{"", "7.5", "CVSS:3.1/AV:N", "CVSS:5.0/AV:N/AC:L", "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H"} {
		if _, err := ParseCVSS(vector); !errors.Is(err, ErrCVSS) {
			t.Errorf("%q: %v; want ErrCVSS", vector, err)
		}
	}
}

func TestBandsEndWhereTheStandardSays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		version string
		base    float64
		want    Severity
	}{
		{"3.1", 0.1, Low}, {"3.1", 3.9, Low}, {"3.1", 4, Medium}, {"3.1", 6.9, Medium}, {"3.1", 7, High}, {"4.0", 8.9, High}, {"4.0", 9, Critical},
		{"2.0", 3.9, Low}, {"2.0", 4, Medium}, {"2.0", 7, High}, {"2.0", 10, High},
	} {
		if got := (CVSS{Version: c.version, Base: new(c.base)}).Severity(); got != c.want {
			t.Errorf("version %s score %v is %v; want %v", c.version, c.base, got, c.want)
		}
	}
	if got := SeverityOf([]CVSS{{Version: "2.0", Base: new(9.0)}, {Version: "3.1", Base: new(5.0)}, {Version: "4.0", Base: new(2.0)}}); got != Medium {
		t.Errorf("severity of three vectors is %v; want Medium", got)
	}
	if got := SeverityOf([]CVSS{{Version: "2.0", Base: new(9.0)}}); got != High {
		t.Errorf("severity of a version 2.0 vector alone is %v; want High", got)
	}
}

func FuzzParseCVSS(f *testing.F) {
	for _, v := range []string{"AV:N/AC:L/Au:N/C:P/I:P/A:P", "CVSS:3.0/AV:L/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:L", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H",
		"CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", "CVSS:4.0/"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, vector string) {
		c, err := ParseCVSS(vector)
		if err != nil {
			if !errors.Is(err, ErrCVSS) {
				t.Fatalf("untyped error: %v", err)
			}
			return
		}
		if c.Base == nil || *c.Base < 0 || *c.Base > 10 {
			t.Fatalf("%q scores %v", vector, c.Base)
		}
	})
}
