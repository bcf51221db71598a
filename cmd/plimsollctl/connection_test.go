package main

import (
	"os"
	"path/filepath"
	"testing"
)

// writeConfig gives a file that keeps a test apart from the user's own configuration.
func writeConfig(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cli.yaml")
	if err := os.WriteFile(path, []byte("password: from-file\naccount: blue\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFlagsWinOverTheEnvironmentAndItOverTheFile(t *testing.T) {
	t.Setenv("PLIMSOLL_USERNAME", "from-environment")
	t.Setenv("ANCHORECTL_USERNAME", "not-asked")
	t.Setenv("PLIMSOLL_PASSWORD", "")
	c := &connection{URL: "http://flag.invalid:1/v2/", configFile: writeConfig(t), output: "text"}
	if err := c.resolve(newRoot()); err != nil {
		t.Fatal(err)
	}
	if c.URL != "http://flag.invalid:1/v2/" || c.Username != "from-environment" || c.Password != "from-file" || c.Account != "blue" {
		t.Errorf("resolved to %q %q %q %q", c.URL, c.Username, c.Password, c.Account)
	}
}

func TestAnUnknownKeyInTheFileIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cli.yaml")
	if err := os.WriteFile(path, []byte("pasword: typo\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &connection{configFile: path, output: "text"}
	if err := c.resolve(newRoot()); err == nil {
		t.Error("a misspelt key is accepted")
	}
}
