package dotnet

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
)

func file(name, content string) *catalog.File {
	return &catalog.File{
		Entry:   catalog.Entry{Path: name, Type: catalog.Regular, Size: int64(len(content))},
		Content: bytes.NewReader([]byte(content)),
	}
}

func TestWants(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][2]bool{
		"/app/Shop.deps.json": {true, false},
		"/usr/share/dotnet/shared/Microsoft.NETCore.App/8.0.1/Microsoft.NETCore.App.deps.json": {true, false},
		"/app/.deps.json":         {false, false},
		"/app/deps.json":          {false, false},
		"/src/packages.lock.json": {false, true},
		"/src/package-lock.json":  {false, false},
	} {
		c := catalog.Candidate{Entry: catalog.Entry{Path: name}}
		if got := [2]bool{wants(c), wantsLock(c)}; got != want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

// The shapes are those of "dotnet publish --self-contained" with SDK 8.
const published = `{
  "runtimeTarget": {"name": ".NETCoreApp,Version=v8.0/linux-x64", "signature": ""},
  "compilationOptions": {},
  "targets": {
    ".NETCoreApp,Version=v8.0": {},
    ".NETCoreApp,Version=v8.0/linux-x64": {
      "Shop/1.0.0": {
        "dependencies": {"Newtonsoft.Json": "13.0.3", "runtimepack.Microsoft.NETCore.App.Runtime.linux-x64": "8.0.1"},
        "runtime": {"Shop.dll": {}}
      },
      "runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/8.0.1": {"runtime": {"System.Runtime.dll": {"assemblyVersion": "8.0.0.0", "fileVersion": "8.0.123.58001"}}},
      "Newtonsoft.Json/13.0.3": {"runtime": {"lib/net6.0/Newtonsoft.Json.dll": {"assemblyVersion": "13.0.0.0", "fileVersion": "13.0.3.27908"}}},
      "System.Net.Http/4.3.0": {"dependencies": {"System.Runtime": "4.3.0"}},
      "Microsoft.Build.Tasks/1.0.0": {"runtime": {"lib/net6.0/_._": {}}},
      "SQLitePCLRaw.lib.e_sqlite3/2.1.6": {"native": {"runtimes/linux-x64/native/libe_sqlite3.so": {"fileVersion": "0.0.0.0"}}},
      "Humanizer.Core.de/2.14.1": {"resources": {"lib/net6.0/de/Humanizer.resources.dll": {"locale": "de"}}},
      "Shop.Data/1.0.0": {"runtime": {"Shop.Data.dll": {}}}
    }
  },
  "libraries": {
    "Shop/1.0.0": {"type": "project", "serviceable": false, "sha512": ""},
    "runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/8.0.1": {"type": "runtimepack", "serviceable": false, "sha512": ""},
    "Newtonsoft.Json/13.0.3": {"type": "package", "serviceable": true, "sha512": "sha512-HrC5==", "path": "newtonsoft.json/13.0.3", "hashPath": "newtonsoft.json.13.0.3.nupkg.sha512"},
    "System.Net.Http/4.3.0": {"type": "package", "serviceable": true, "sha512": "sha512-s"},
    "Microsoft.Build.Tasks/1.0.0": {"type": "package"},
    "SQLitePCLRaw.lib.e_sqlite3/2.1.6": {"type": "package"},
    "Humanizer.Core.de/2.14.1": {"type": "package"},
    "Shop.Data/1.0.0": {"type": "project"},
    "Vendor/3.0.0.0": {"type": "reference"}
  }
}`

func TestApplications(t *testing.T) {
	t.Parallel()
	got, err := analyze(context.Background(), file("/app/Shop.deps.json", published))
	if err != nil {
		t.Fatal(err)
	}
	want := []catalog.Package{
		{
			Name: "Humanizer.Core.de", Version: "2.14.1", PURL: "pkg:nuget/Humanizer.Core.de@2.14.1", Metadata: map[string]string{},
			CPEs: []string{"cpe:2.3:a:humanizer:humanizer.core.de:2.14.1:*:*:*:*:*:*:*", "cpe:2.3:a:humanizer.core.de:humanizer.core.de:2.14.1:*:*:*:*:*:*:*"},
		},
		{
			Name: "Microsoft.NETCore.App.Runtime.linux-x64", Version: "8.0.1", PURL: "pkg:nuget/Microsoft.NETCore.App.Runtime.linux-x64@8.0.1", Metadata: map[string]string{},
			CPEs: []string{
				"cpe:2.3:a:microsoft:microsoft.netcore.app.runtime.linux-x64:8.0.1:*:*:*:*:*:*:*",
				"cpe:2.3:a:microsoft.netcore.app.runtime.linux-x64:microsoft.netcore.app.runtime.linux-x64:8.0.1:*:*:*:*:*:*:*",
			},
		},
		{
			Name: "Newtonsoft.Json", Version: "13.0.3", PURL: "pkg:nuget/Newtonsoft.Json@13.0.3",
			CPEs: []string{"cpe:2.3:a:newtonsoft:newtonsoft.json:13.0.3:*:*:*:*:*:*:*", "cpe:2.3:a:newtonsoft.json:newtonsoft.json:13.0.3:*:*:*:*:*:*:*"},
			Metadata: map[string]string{
				"path": "newtonsoft.json/13.0.3", "hash_path": "newtonsoft.json.13.0.3.nupkg.sha512", "sha512": "sha512-HrC5==",
			},
		},
		{
			Name: "SQLitePCLRaw.lib.e_sqlite3", Version: "2.1.6", PURL: "pkg:nuget/SQLitePCLRaw.lib.e_sqlite3@2.1.6", Metadata: map[string]string{},
			CPEs: []string{
				"cpe:2.3:a:sqlitepclraw:sqlitepclraw.lib.e_sqlite3:2.1.6:*:*:*:*:*:*:*",
				"cpe:2.3:a:sqlitepclraw.lib.e_sqlite3:sqlitepclraw.lib.e_sqlite3:2.1.6:*:*:*:*:*:*:*",
			},
		},
	}
	for i := range want {
		want[i].Type, want[i].Location, want[i].MetadataType = "nuget", "/app/Shop.deps.json", "DotnetDepsMetadata"
	}
	if diff := cmp.Diff(want, got.Packages); diff != "" {
		t.Error(diff)
	}
}

func TestWithoutRuntimeTargetEveryPackageCounts(t *testing.T) {
	t.Parallel()
	got, err := analyze(context.Background(), file("/x.deps.json", strings.Replace(published, "v8.0/linux-x64", "v9.0", 1)))
	if err != nil || len(got.Packages) != 6 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for in, packages := range map[string]int{
		``:   0,
		`[]`: 0,
		`{"libraries": {"a/1": {"type": "package"}, "b/": {"type": "package"}, "c": {"type": "package"}}}`: 1,
		`{"runtimeTarget": "x", "libraries": {"a/1": {"type": "package"}}}`:                                1,
		`{"libraries": {"a/1": {"type": "package"}, "b/1": {"type": ["package"]}}}`:                        1,
	} {
		got, err := analyze(context.Background(), file("/x.deps.json", in))
		if len(got.Packages) != packages || err == nil {
			t.Errorf("%s: got %+v, %v", in, got, err)
		}
	}
}

func TestLock(t *testing.T) {
	t.Parallel()
	const in = `{"version": 1, "dependencies": {
  "net6.0": {
    "Serilog": {"type": "Direct", "requested": "[2.12.0, )", "resolved": "2.12.0", "contentHash": "xa=="},
    "System.Text.Json": {"type": "Transitive", "resolved": "6.0.0", "dependencies": {}},
    "shop.data": {"type": "Project", "dependencies": {"Serilog": "[2.12.0, )"}}
  },
  "net6.0/linux-x64": {"Serilog": {"type": "Direct", "resolved": "2.12.0", "contentHash": "xa=="}}
}}`
	got, err := analyzeLock(context.Background(), file("/src/packages.lock.json", in))
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, p := range got.Packages {
		if !p.Declared() || p.Type != "nuget" {
			t.Errorf("got %+v", p)
		}
		words = append(words, p.PURL+" "+p.Metadata["content_hash"])
	}
	if diff := cmp.Diff([]string{"pkg:nuget/Serilog@2.12.0 xa==", "pkg:nuget/System.Text.Json@6.0.0 "}, words); diff != "" {
		t.Error(diff)
	}
}

func FuzzApplications(f *testing.F) {
	f.Add(published)
	f.Add(`{"runtimeTarget": {"name": "x"}, "targets": {"x": {"a/1": {"runtime": []}}}, "libraries": {"a/1": {"type": "runtimepack"}}}`)
	f.Fuzz(func(t *testing.T, in string) {
		evidence, _ := analyze(context.Background(), file("/x.deps.json", in))
		for _, p := range evidence.Packages {
			if err := p.Check(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func FuzzLock(f *testing.F) {
	f.Add(`{"dependencies": {"net6.0": {"a": {"type": "Direct", "resolved": "1"}}}}`)
	f.Fuzz(func(t *testing.T, in string) {
		evidence, _ := analyzeLock(context.Background(), file("/packages.lock.json", in))
		for _, p := range evidence.Packages {
			if err := p.Check(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
