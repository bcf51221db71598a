package license

import (
	"slices"
	"strings"
	"testing"
)

func TestNormalize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		// SPDX already
		"MIT": "MIT", "mit": "MIT", "(MIT OR Apache-2.0)": "(MIT OR Apache-2.0)", "GPL-2.0-only WITH Classpath-exception-2.0": "GPL-2.0-only WITH Classpath-exception-2.0",
		// Debian
		"GPL-2+": "GPL-2.0-or-later", "GPL-3": "GPL-3.0-only", "LGPL-2.1+": "LGPL-2.1-or-later", "Expat": "MIT", "Artistic": "Artistic-1.0-Perl",
		"GFDL-NIV-1.3+": "GFDL-1.3-no-invariants-or-later", "BSD-3-clause": "BSD-3-Clause", "GPL-1+ or Artistic": "GPL-1.0-or-later OR Artistic-1.0-Perl",
		// RPM
		"GPLv2+": "GPL-2.0-or-later", "LGPLv2+ and MIT": "LGPL-2.0-or-later AND MIT", "GPLv3+ and (ASL 2.0 or MPLv2.0)": "GPL-3.0-or-later AND (Apache-2.0 OR MPL-2.0)",
		// Python
		"License :: OSI Approved :: MIT License": "MIT", "License :: OSI Approved :: Apache Software License": "Apache-2.0",
		"License :: OSI Approved :: GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later", "Python Software Foundation License": "PSF-2.0",
		// Java, Rust, Ruby, JavaScript
		"The Apache Software License, Version 2.0": "Apache-2.0", "http://www.apache.org/licenses/LICENSE-2.0.txt": "Apache-2.0",
		"Eclipse Public License - v 2.0": "", "Eclipse Public License v2.0": "EPL-2.0", "MIT/Apache-2.0": "MIT OR Apache-2.0", "New BSD License": "BSD-3-Clause",
		"https://opensource.org/licenses/MIT": "MIT", "https://spdx.org/licenses/ISC.html": "ISC",
		// No choice is made.
		"BSD": "", "GPL": "", "public-domain": "", "see LICENSE": "", "": "", "MIT and": "", "and": "", "GPL-2+ with OpenSSL": "", "LGPL-1": "", "https://example.com/MIT": "",
		"MIT) OR (ISC": "", "GPL-NIV-2": "",
	} {
		got, known := Normalize(text)
		if got != want || known != (want != "") {
			t.Errorf("%q: got %q, %v; want %q", text, got, known, want)
		}
	}
	if _, known := Normalize(strings.Repeat("MIT AND ", 1000) + "MIT"); known {
		t.Error("a novel is no licence")
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for expression, want := range map[string][]string{
		"MIT":                              {"MIT"},
		"(MIT OR Apache-2.0) AND GPL-2.0+": {"MIT", "Apache-2.0", "GPL-2.0+"},
		"GPL-2.0-only WITH Classpath-exception-2.0 OR ISC": {"GPL-2.0-only WITH Classpath-exception-2.0", "GPL-2.0-only", "ISC"},
		"": nil,
	} {
		if got := Names(expression); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", expression, got, want)
		}
	}
}

// What is normal stays as it is.
func FuzzNormalize(f *testing.F) {
	for _, seed := range []string{"GPLv2+ and (MIT or ISC)", "MIT/Apache-2.0", "License :: a :: MIT", "((", "GPL-2+ with x", "http://opensource.org/licenses/MIT", "\x00/|"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, known := Normalize(text)
		if !known {
			return
		}
		if again, ok := Parse(e); !ok || again != e {
			t.Errorf("%q gives %q, which is read as %q, %v", text, e, again, ok)
		}
	})
}

func TestTitlesAreInTheirForm(t *testing.T) {
	t.Parallel()
	for text, id := range titles {
		if got, ok := title(text); !ok || got != id || Listed(id) != id {
			t.Errorf("%q: %q, %v, want the listed %q", text, got, ok, id)
		}
	}
	for text, id := range addresses {
		if got, ok := title("https://www." + text + "/"); !ok || got != id {
			t.Errorf("%q: %q, %v", text, got, ok)
		}
	}
}
