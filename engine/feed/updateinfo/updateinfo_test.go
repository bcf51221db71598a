package updateinfo_test

import (
	"errors"
	"strings"
	"testing"

	"plimsoll/engine/feed/feedtest"
	"plimsoll/engine/feed/updateinfo"
)

func index(href string) string {
	return `<repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>1</revision><data type="primary"><location href="repodata/primary.xml.gz"/></data>` +
		`<data type="updateinfo"><checksum type="sha256">1</checksum><location href="` + href + `"/></data></repomd>`
}

func TestTheIndexLeadsToTheListOfUpdates(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		index("repodata/1-updateinfo.xml.zst"):                                                    "repodata/1-updateinfo.xml.zst",
		index("./repodata//updateinfo.xml.gz"):                                                    "repodata/updateinfo.xml.gz",
		`<repomd><data type="primary"><location href="repodata/primary.xml.gz"/></data></repomd>`: "",
	} {
		if got, err := updateinfo.Locate([]byte(text)); got != want || err != nil {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
}

func TestAnIndexThatIsNoneOrLeadsElsewhereIsRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "<html/>", "<repomd><data>", "<repomd>" + strings.Repeat("<data><a>", 300),
		index("https://elsewhere.example/updateinfo.xml"), index("../../x"), index("/etc/passwd"), index("a?b=c"), index(`..\x`),
	} {
		if got, err := updateinfo.Locate([]byte(text)); !errors.Is(err, updateinfo.ErrIndex) {
			t.Errorf("%.60s: %q, %v", text, got, err)
		}
	}
}

const list = `<updates><update status="stable" type="security"><id>U-1</id><title>t</title><severity>Low</severity><issued date="2020-01-02 03:04:05"/>
<references><reference href="https://x" id="CVE-2020-0001" type="cve" title="CVE-2020-0001"/></references>
<pkglist><collection short="c"><module name="nodejs" stream="18"/><package name="node" epoch="1" version="18.1" release="2" arch="x86_64"><filename>f</filename></package></collection>
<collection><package name="zlib" epoch="0" version="1.2" release="3" arch="noarch"/></collection></pkglist></update>
<something/></updates>`

func TestUpdatesAreReadWithTheirPackages(t *testing.T) {
	t.Parallel()
	var got []string
	err := updateinfo.Read(t.Context(), feedtest.Doc("d", []byte(list)), func(u *updateinfo.Update) error {
		got = append(got, u.ID, u.Status, u.Type, u.Severity, u.Issued.Date, u.References[0].ID)
		for _, c := range u.Collections {
			for _, p := range c.Packages {
				got = append(got, c.Module.Label(), p.Name, p.EVR(), p.Arch)
			}
		}
		return nil
	})
	want := "U-1 stable security Low 2020-01-02 03:04:05 CVE-2020-0001 nodejs:18 node 1:18.1-2 x86_64  zlib 1.2-3 noarch"
	if strings.Join(got, " ") != want || err != nil {
		t.Errorf("%q, %v", strings.Join(got, " "), err)
	}
}

func TestErrorsOfTheVisitorEndTheReading(t *testing.T) {
	t.Parallel()
	stop := errors.New("stop")
	if err := updateinfo.Read(t.Context(), feedtest.Doc("d", []byte(list)), func(*updateinfo.Update) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
}

func FuzzLocate(f *testing.F) {
	f.Add(index("repodata/updateinfo.xml.gz"))
	f.Add(index("../x"))
	f.Fuzz(func(t *testing.T, text string) {
		got, err := updateinfo.Locate([]byte(text))
		if err == nil && (strings.HasPrefix(got, "/") || strings.HasPrefix(got, "..") || strings.Contains(got, ":")) {
			t.Errorf("%q leads to %q", text, got)
		}
	})
}
