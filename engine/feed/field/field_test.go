package field_test

import (
	"errors"
	"strings"
	"testing"

	"plimsoll/engine/feed/field"
	"plimsoll/engine/version"
)

func TestWhatCannotBeWhatItStandsForIsRefused(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 600)
	for _, bad := range []string{"", " ", "-CVE", "CVE 1", "a\x00b", "é", long} {
		if got, err := field.ID(bad); !errors.Is(err, field.ErrText) {
			t.Errorf("ID(%.20q) = %q, %v", bad, got, err)
		}
	}
	for _, bad := range []string{"", "a b", "a\x00b", "a\xff", long} {
		if got, err := field.Name(bad); !errors.Is(err, field.ErrText) {
			t.Errorf("Name(%.20q) = %q, %v", bad, got, err)
		}
	}
	for _, bad := range []string{"", "soon", "1\x00", long} {
		if got, err := field.Version(version.Apk, bad); !errors.Is(err, field.ErrText) {
			t.Errorf("Version(%.20q) = %q, %v", bad, got, err)
		}
	}
}

func TestWhatIsUsableIsKept(t *testing.T) {
	t.Parallel()
	if got, err := field.ID(" CVE-2024-1 "); got != "CVE-2024-1" || err != nil {
		t.Errorf("id %q, %v", got, err)
	}
	if got, err := field.Name("libstdc++6"); got != "libstdc++6" || err != nil {
		t.Errorf("name %q, %v", got, err)
	}
	if got, err := field.Version(version.Dpkg, "1:2.3~rc1-4"); got != "1:2.3~rc1-4" || err != nil {
		t.Errorf("version %q, %v", got, err)
	}
	for id, want := range map[string]bool{"CVE-2024-1234": true, "CVE-2024-123": false, "TEMP-0000000-F7A20F": false, "XCVE-2024-12345": false} {
		if field.IsCVE(id) != want {
			t.Errorf("IsCVE(%q) = %t", id, !want)
		}
	}
}

func TestProseIsCleanedAndCutBetweenCharacters(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		" a\x00b ": "ab", "a\xffb": "a\uFFFDb", "ééééé": "éé", "abc  def": "abc",
	} {
		if got := field.Prose(in, 5); got != want {
			t.Errorf("Prose(%q) = %q; want %q", in, got, want)
		}
	}
}
