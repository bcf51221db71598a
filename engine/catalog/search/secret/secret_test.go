package secret

import (
	"fmt"
	"math/rand/v2"
	"regexp/syntax"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/search"
)

func defaults() Settings { return Settings{MaxBytes: DefaultMaxBytes, Skip: DefaultSkip()} }

func analyzer(t testing.TB, s Settings) catalog.Analyzer {
	t.Helper()
	a, err := Analyzer(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func fileOf(path, content string) *catalog.File {
	return &catalog.File{Entry: catalog.Entry{Path: path, Type: catalog.Regular, Size: int64(len(content))}, Content: strings.NewReader(content)}
}

// look gives the hits of a text as "name@line".
func look(t testing.TB, a catalog.Analyzer, text string) string {
	t.Helper()
	e, err := a.Analyze(t.Context(), fileOf("/x", text))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, h := range e.Hits {
		if h.Search != catalog.SearchSecret || h.Value != "" {
			t.Errorf("got %+v", h)
		}
		out = append(out, fmt.Sprintf("%s@%d", h.Name, h.Line))
	}
	return strings.Join(out, " ")
}

// letters makes text of n characters that nobody has written; the same for the same n.
func letters(n int) string {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"[r.IntN(57)]
	}
	return string(b)
}

func digits(n int) string {
	r := rand.New(rand.NewPCG(2, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = "0123456789abcdef"[r.IntN(16)]
	}
	return string(b)
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	const secretKey = "t9QmZ4xUeK7vWc2LrYpH/8nFbJ3sDgA5oTiVq1Xe"
	for _, tt := range []struct{ name, text, want string }{
		{"AWS pair", "[default]\naws_access_key_id = AKIAQ3XN7KSPLT2MB6WD\naws_secret_access_key = " + secretKey + "\n", "AWS_ACCESS_KEY@2 AWS_SECRET_KEY@3"},
		{"AWS in an environment file", "export AWS_SECRET_KEY='" + secretKey + "'", "AWS_SECRET_KEY@1"},
		{"AWS in JSON", `{"SecretAccessKey": "` + secretKey + `"}`, "AWS_SECRET_KEY@1"},
		{"AWS in XML", "<SecretAccessKey>" + secretKey + "</SecretAccessKey>", "AWS_SECRET_KEY@1"},
		{"AWS as documented", "AKIAIOSFODNN7EXAMPLE\naws_secret_access_key=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""},
		{"AWS within a word", "XAKIAQ3XN7KSPLT2MB6WD AKIAQ3XN7KSPLT2MB6WDA akiaq3xn7ksplt2mb6wd", ""},
		{"AWS placeholder", "AKIAAAAAAAAAAAAAAAAA", ""},
		{"digest that is as long as a secret key", "secret_sum: " + digits(40), ""},
		{"private key", "a\n-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7Z3\n", "PRIV_KEY@2"},
		{"private key without a kind", "-----BEGIN PRIVATE KEY-----\r\nMIIEvQIBADANBgkqhkiG9w0B", "PRIV_KEY@1"},
		{"encrypted private key", "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,12AB\n\nMIIEpAIBAAKCAQEA7Z3\n", "PRIV_KEY@1"},
		{"PGP private key", "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQdGBGNjYWJjZGVmZ2hpamts", "PRIV_KEY@1"},
		{"private key in JSON", `"private_key": "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\n"`, "PRIV_KEY@1"},
		{"PuTTY's private key", "PuTTY-User-Key-File-3: ssh-ed25519\n", "PRIV_KEY@1"},
		{"program that handles private keys", `if strings.HasPrefix(s, "-----BEGIN RSA PRIVATE KEY-----") { return }`, ""},
		{"public key and certificate", "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0B\n-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIE", ""},
		{"Docker login", `{"auths":{"https://index.docker.io/v1/":{"auth":"dXNlcjpwYXNzd29yZA=="}}}`, "DOCKER_AUTH@1"},
		{"auth that is no login", `{"auth": "required"} {"auth": "Zm9vYmFy"}`, ""},
		{"API key", "api_key = " + letters(32) + "9\nAPI-KEY: '" + digits(32) + "'\n", "API_KEY@1 API_KEY@2"},
		{"API key read from elsewhere", "api_key = os.environ['SERVICE_API_KEY_2']\napi_key: loadKeyFromTheKeyring2(x)\napi_key=YOUR_API_KEY_GOES_HERE_123", ""},
		{"GitHub", "token: ghp_" + letters(36) + "\n" + "x=github_pat_" + letters(22) + "_" + letters(59), "GITHUB_TOKEN@1 GITHUB_TOKEN@2"},
		{"token of one letter", "ghp_" + strings.Repeat("a", 36), ""},
		{"GitLab", "glpat-" + letters(20), "GITLAB_TOKEN@1"},
		{"Slack", "https://hooks.slack.com/services/T" + "0ABCD1234/B0ABCD1234/" + letters(24) + "\nxoxb-" + digits(12) + "-" + letters(24), "SLACK_WEBHOOK@1 SLACK_TOKEN@2"},
		{"Stripe", "sk_live_" + letters(24) + " sk_test_" + letters(24), "STRIPE_KEY@1"},
		{"Hugging Face", "hf_" + strings.Map(func(r rune) rune {
			if r < 'A' {
				return 'q'
			}
			return r
		}, letters(34)), "HUGGINGFACE_TOKEN@1"},
		{"SendGrid", "k: SG." + letters(22) + "." + letters(43), "SENDGRID_TOKEN@1"},
		{"npm", "//npm.registry.example/:_authToken=" + letters(36) + "7\nnpm_" + letters(36), "NPM_TOKEN@1 NPM_TOKEN@2"},
		{"npm token from the environment", "//npm.registry.example/:_authToken=${NPM_TOKEN}", ""},
		{"Google", "AIza" + letters(35) + " GOCSPX-" + letters(28), "GOOGLE_API_KEY@1 GOOGLE_OAUTH_SECRET@1"},
		{"Azure", "AccountName=a;AccountKey=" + letters(86) + "==;", "AZURE_STORAGE_KEY@1"},
		{"two of a kind in one line", "ghp_" + letters(36) + " gho_" + letters(36), "GITHUB_TOKEN@1"},
		{"binary", "ghp_" + letters(36) + "\x00", ""},
		{"nothing", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := analyzer(t, defaults())
			if got := look(t, a, tt.text); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if tt.want != "" { // wherever it stands
				for _, before := range []string{"\n", " \n", "  \n"} {
					if got := look(t, a, before+tt.text+"\n\n"); len(got) != len(tt.want) {
						t.Errorf("after %q: got %q", before, got)
					}
				}
			}
		})
	}
}

// Every rule finds text made from its own expression, so no rule has a keyword that its expression contradicts.
func TestEveryRuleFindsWhatItDescribes(t *testing.T) {
	t.Parallel()
	for i, r := range rules {
		re, err := syntax.Parse(r.pattern.String(), syntax.Perl)
		if err != nil {
			t.Fatal(err)
		}
		random := rand.New(rand.NewPCG(7, uint64(i)))
		found := false
		for range 200 {
			var text strings.Builder
			write(&text, re, random)
			credential := r.find([]byte(text.String()))
			if credential == nil { // such as one without a digit, or no base64 of a login
				continue
			}
			s, err := prepare(defaults())
			if err != nil {
				t.Fatal(err)
			}
			hits := search.NewHits(catalog.SearchSecret, false)
			s.known([]byte("x = "+text.String()), hits)
			e, _ := hits.Result("/x", nil)
			for _, h := range e.Hits {
				found = found || h.Name == r.name
			}
		}
		if !found && r.name != "DOCKER_AUTH" { // whose text hardly ever is a login
			t.Errorf("rule %d, %s, finds nothing of what %s describes", i, r.name, r.pattern)
		}
	}
}

// write makes text that matches an expression.
func write(out *strings.Builder, re *syntax.Regexp, random *rand.Rand) {
	repeat := func(least, most int) {
		if most < 0 {
			most = least + 40
		}
		for range least + random.IntN(most-least+1) {
			write(out, re.Sub[0], random)
		}
	}
	switch re.Op {
	case syntax.OpLiteral:
		out.WriteString(string(re.Rune))
	case syntax.OpCharClass:
		for {
			pair := 2 * random.IntN(len(re.Rune)/2)
			if c := re.Rune[pair] + rune(random.IntN(int(min(re.Rune[pair+1], 126)-re.Rune[pair])+1)); c < 127 {
				out.WriteRune(c)
				return
			}
		}
	case syntax.OpConcat, syntax.OpCapture:
		for _, sub := range re.Sub {
			write(out, sub, random)
		}
	case syntax.OpAlternate:
		write(out, re.Sub[random.IntN(len(re.Sub))], random)
	case syntax.OpStar:
		repeat(0, 5)
	case syntax.OpPlus:
		repeat(1, 30)
	case syntax.OpQuest:
		repeat(0, 1)
	case syntax.OpRepeat:
		repeat(re.Min, re.Max)
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("nothing of interest\n", 500) + "ghp_" + letters(36) + "\n" + strings.Repeat("\n", 99) + "SG." + letters(22) + "." + letters(43) + "\nglpat-" + letters(20)
	if got := look(t, analyzer(t, defaults()), text); got != "GITHUB_TOKEN@501 SENDGRID_TOKEN@601 GITLAB_TOKEN@602" {
		t.Errorf("got %s", got)
	}
}

func TestOwnRules(t *testing.T) {
	t.Parallel()
	s := defaults()
	s.Extra = []search.Expression{{Name: "HARBOUR", Regex: `harbour-[0-9]{6}`}}
	s.Disabled = []string{"GITHUB_TOKEN"}
	a := analyzer(t, s)
	if got := look(t, a, "ghp_"+letters(36)+"\nx harbour-123456 harbour-654321\n"); got != "HARBOUR@2" {
		t.Errorf("got %s", got)
	}
	if plain := analyzer(t, defaults()); plain.Config == a.Config {
		t.Error("settings are not part of the analyzer's identity")
	}
	s.Values = true
	e, err := analyzer(t, s).Analyze(t.Context(), fileOf("/x", "x harbour-123456 AKIAQ3XN7KSPLT2MB6WD"))
	want := []catalog.SearchHit{
		{Search: catalog.SearchSecret, Name: "AWS_ACCESS_KEY", Line: 1, Value: "AKIAQ3XN7KSPLT2MB6WD"},
		{Search: catalog.SearchSecret, Name: "HARBOUR", Line: 1, Value: "harbour-123456"},
	}
	if diff := cmp.Diff(want, e.Hits); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

func TestUnusableSettingsAreAllNamed(t *testing.T) {
	t.Parallel()
	_, err := Analyzer(Settings{
		Disabled: []string{"NO_SUCH_RULE"}, Skip: []string{"a(b"},
		Extra: []search.Expression{{Name: "LOOK_BEHIND", Regex: `(?<!a)b`}, {Name: "API_KEY", Regex: "x"}, {Name: "TWICE", Regex: "x"}, {Name: "TWICE", Regex: "y"}, {Name: "ALL", Regex: ".*"}, {Regex: "x"}},
	})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, named := range []string{"NO_SUCH_RULE", "a(b", "LOOK_BEHIND", "API_KEY", "TWICE", "ALL", "number 6", "largest file"} {
		if !strings.Contains(err.Error(), named) {
			t.Errorf("%q is not named in: %v", named, err)
		}
	}
}

func TestWants(t *testing.T) {
	t.Parallel()
	a := analyzer(t, defaults())
	for _, tt := range []struct {
		path, head string
		size       int64
		want       bool
	}{
		{"/srv/app/.env", "A=1", 3, true},
		{"/srv/app/.env", "A=1", DefaultMaxBytes, true},
		{"/srv/app/.env", "A=1", DefaultMaxBytes + 1, false},
		{"/srv/app/empty", "", 0, false},
		{"/usr/bin/ls", "\x7fELF\x02\x01\x01\x00", 100, false},
		{"/srv/latin1", "caf\xe9\t\x1b[0m\r\n", 100, true},
		{"/var/lib/dpkg/info/bash.md5sums", "a", 1, false},
		{"/usr/lib/python3.11/test/certdata/keycert.pem", "-", 1, false},
		{"/app/node_modules/a/test/fixtures/key.pem", "-", 1, false},
		{"/srv/app/test/key.pem", "-", 1, true},
	} {
		c := catalog.Candidate{Entry: catalog.Entry{Path: tt.path, Type: catalog.Regular, Size: tt.size}, Head: []byte(tt.head)}
		if got := a.Wants(c); got != tt.want {
			t.Errorf("%s of %d bytes: got %v", tt.path, tt.size, got)
		}
	}
}

func TestHitsAreBoundedAndSaidToBe(t *testing.T) {
	t.Parallel()
	a := analyzer(t, defaults())
	for name, text := range map[string]string{
		"hits":  strings.Repeat("ghp_"+letters(36)+"\n", search.MaxHits+1),
		"looks": strings.Repeat("ghp_ ", maxLooked/reach+1000),
	} {
		e, err := a.Analyze(t.Context(), fileOf("/x", text))
		m := catalog.Incomplete("/x", a.Name, err)
		if len(e.Hits) > search.MaxHits || len(m) != 1 || m[0].Reason != catalog.ReasonTooMany {
			t.Errorf("%s: %d hits, %+v", name, len(e.Hits), m)
		}
	}
}

func FuzzSecrets(f *testing.F) {
	f.Add([]byte("aws_access_key_id = AKIAQ3XN7KSPLT2MB6WD\n\"auth\": \"dXNlcjpwYXNz\""))
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\n"))
	f.Add([]byte("hf_hf_SG.ghp_\n\nghp_" + letters(36)))
	f.Add([]byte("\xff\xfeapi_key\x00= a"))
	s := defaults()
	s.Values, s.Extra = true, []search.Expression{{Name: "OWN", Regex: `(a|b)+c`}}
	a := analyzer(f, s)
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := a.Analyze(t.Context(), fileOf("/x", string(text)))
		for _, m := range catalog.Incomplete("/x", a.Name, err) {
			if m.Reason != catalog.ReasonTooMany {
				t.Fatal(err)
			}
		}
		last := 1 + strings.Count(string(text), "\n")
		for _, h := range e.Hits {
			if h.Line < 1 || h.Line > last || len(h.Value) > search.MaxValue || catalog.Text(h.Value) != h.Value {
				t.Fatalf("got %+v in %d lines", h, last)
			}
		}
	})
}

// The worst a file can do to the rules is bounded by what they look at, not by its size times their number.
func BenchmarkHostile(b *testing.B) {
	s, err := prepare(defaults())
	if err != nil {
		b.Fatal(err)
	}
	for name, unit := range map[string]string{
		"jwt": "-eyJhbGciOi", "gitlab": "-glpat-", "key": "-----BEGIN PRIVATE KEY-----\n", "docker": `"auth":"`, "plain": "nothing to see here\n",
	} {
		text := []byte(strings.Repeat(unit, DefaultMaxBytes/len(unit)))
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				s.known(text, search.NewHits(catalog.SearchSecret, false))
			}
		})
	}
}
