package toml

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTables(t *testing.T) {
	t.Parallel()
	const in = "# generated\r\nversion = 3\r\n\r\n" + `
[[package]]
name = "a" # comment with "quotes" and ]
version = '1.0\n'
optional = false
"odd key" . x = 1979-05-27 07:32:00Z
dependencies = [
    "b 1.0", # one
    { name = "c", extra = ["x", 'y'], marker = "sys_platform == 'win32'" },
]

[package.source]
type = "git"
url = """\
   https://example.org \
   /x"""

[[package.metadata.files]]
name = "not a"

[metadata]
name = "not a package"
files = {a = [], }

[[package]]
name = "tab\there \"q\" \u00e9 \U0001F600 \e"
raw = '''
C:\dir ''quoted'''''
empty = ""
`
	want := []Table{
		{
			"name": "a", "version": `1.0\n`, "optional": Bare("false"), "odd key.x": Bare("1979-05-27 07:32:00Z"),
			"dependencies": []any{"b 1.0", Table{"name": "c", "extra": []any{"x", "y"}, "marker": "sys_platform == 'win32'"}},
			"source":       Table{"type": "git", "url": "https://example.org /x"},
		},
		{"name": "tab\there \"q\" \u00e9 \U0001F600 \x1b", "raw": `C:\dir ''quoted''`, "empty": ""},
	}
	got, err := Tables([]byte(in), "package")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	first := got[0]
	if first.Text("name") != "a" || first.Text("optional") != "" || first.Table("source").Text("type") != "git" || first.Table("name").Text("x") != "" ||
		!cmp.Equal(List[string](first, "dependencies"), []string{"b 1.0"}) || List[Table](first, "dependencies")[0].Text("name") != "c" {
		t.Errorf("got %v", first)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	const before = "[[package]]\nname = \"a\"\n"
	for name, in := range map[string]string{
		"no value": "a =\n", "no key": "= 1", "open string": "a = \"x\ny\"", "open text": `a = """x`, "open array": "a = [1, 2",
		"no comma": "a = [1 \"x\"]", "open table": "a = {b = 1", "open header": "[a", "half header": "[[a]", "two on a line": "a = \"1\" b = 2",
		"escape": `a = "\q"`, "surrogate": `a = "\ud800"`, "short code": `a = "\u41`, "cut escape": `a = "\`, "cut text": `a = '`,
		"deep": "a = " + strings.Repeat("[", 1<<20), "deep tables": "a = " + strings.Repeat("{a=", 1<<20), "long key": strings.Repeat("a.", 1<<20) + "a = 1",
		"long header": "[" + strings.Repeat("a.", 1<<20) + "a]", "text after header": "[a] b",
	} {
		got, err := Tables([]byte(before+in), "package")
		if !errors.Is(err, ErrSyntax) || len(got) != 1 || got[0].Text("name") != "a" {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
}

func FuzzTables(f *testing.F) {
	f.Add("[[package]]\nname = \"a\"\ndependencies = [{ name = 'b', x = [1, 2] }, ]\n[package.source]\nurl = \"\"\"x\\\n y\"\"\"\n")
	f.Add("[[package]]\r\na.\"b\".c = \"\\u0041\" # x\r\n[package]\nb=1")
	f.Fuzz(func(t *testing.T, in string) {
		tables, err := Tables([]byte(in), "package")
		if err != nil && !errors.Is(err, ErrSyntax) {
			t.Fatal(err)
		}
		if n := strings.Count(in, "[["); len(tables) > n {
			t.Fatalf("%d tables of %d", len(tables), n)
		}
	})
}
