package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

var ctlBinary = sync.OnceValues(func() (string, error) {
	target := filepath.Join(filepath.Dir(binary.path), "plimsollctl")
	out, err := exec.Command("go", "build", "-buildvcs=false", "-o", target, "plimsoll/cmd/plimsollctl").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build plimsollctl: %w: %s", err, out)
	}
	return target, nil
})

// ctl runs plimsollctl as the administrator, or as env says.
type ctl struct {
	api string
	env []string
}

func (c ctl) run(t testing.TB, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	path, err := ctlBinary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Env = append(os.Environ(), "PLIMSOLL_URL=http://"+c.api, "PLIMSOLL_PASSWORD="+adminPassword, "NO_COLOR=1")
	cmd.Env = append(cmd.Env, c.env...)
	var out, diagnostics bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diagnostics
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("plimsollctl %s: %v", strings.Join(args, " "), err)
	}
	return out.String(), diagnostics.String(), cmd.ProcessState.ExitCode()
}

// wantCommandLine goes through what a person does with the client.
func wantCommandLine(t *testing.T, api, image, digest string) {
	c := ctl{api: api}
	document := filepath.Join(t.TempDir(), "policy.json")
	if err := os.WriteFile(document, []byte(`{"id":"lenient","name":"Lenient","version":"2","allowlists":[],
		"mappings":[{"id":"all","name":"all","registry":"*","repository":"*","image":{"type":"tag","value":"*"},"rule_set_ids":["none"],"allowlist_ids":[]}],
		"rule_sets":[{"id":"none","name":"none","version":"2","rules":[]}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(t.TempDir(), "broken.json")
	if err := os.WriteFile(broken, []byte(`{"id":"x","name":"x","version":"2","rule_sets":[],"mappings":[],"surprise":1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	at := strings.LastIndexByte(image, ':')
	repository, tag := image[:at], image[at+1:]
	wrong := ctl{api: api, env: []string{"PLIMSOLL_PASSWORD=wrong"}}
	nowhere := ctl{api: "127.0.0.1:1"}
	for _, tt := range []struct {
		name string
		as   ctl
		args []string
		code int
		want []string // in standard output, or in standard error when the code is not 0
	}{
		{"system wait", c, []string{"system", "wait", "--timeout", "30s", "--feeds-ready"}, 0, nil},
		{"system status", c, []string{"system", "status"}, 0, []string{"analyzer", "policy_engine", "available"}},
		{"error codes", c, []string{"system", "error-codes"}, 0, []string{"LAYER_CORRUPT"}},
		{"feeds list", c, []string{"feeds", "list"}, 0, []string{"osv", "Debian", "npm"}},
		{"feeds sync", c, []string{"feeds", "sync"}, 0, []string{"unchanged"}},
		{"image add and wait", c, []string{"image", "add", image, "--wait", "--annotation", "team=blue"}, 0, []string{digest, "analyzed", "team=blue"}},
		{"image wait", c, []string{"image", "wait", digest}, 0, []string{digest}},
		{"image list", c, []string{"image", "list"}, 0, []string{image, digest, "analyzed"}},
		{"image get by tag", c, []string{"image", "get", image}, 0, []string{digest, "debian 12", "amd64"}},
		{"image content types", c, []string{"image", "content", digest}, 0, []string{"os", "files", "npm", "java"}},
		{"image content", c, []string{"image", "content", digest, "npm"}, 0, []string{"lodash", "4.17.10", "MIT", "/srv/app/node_modules/lodash/package.json"}},
		{"image files", c, []string{"image", "content", digest, "files"}, 0, []string{"/usr/bin/passwd", "4755"}},
		{"image content summary", c, []string{"image", "content", digest, "summary"}, 0, []string{"TYPE", "npm", "files"}},
		{"image licences", c, []string{"image", "content", digest, "licenses"}, 0, []string{"lodash", "MIT", "/srv/app/node_modules/lodash/package.json"}},
		{"image analysis", c, []string{"image", "analysis", digest}, 0, []string{"dpkg-status@", "Bytes read", "Everything in the image could be read."}},
		{"image inspection", c, []string{"image", "metadata", digest, "docker_inspect"}, 0, []string{`"Architecture"`, `"RepoTags"`, image}},
		{"cancelling what has ended", c, []string{"image", "cancel", digest}, 1, []string{"nothing to cancel"}},
		{"image metadata", c, []string{"image", "metadata", digest, "dockerfile"}, 0, []string{"EXPOSE"}},
		{"image vuln", c, []string{"image", "vuln", image}, 0, []string{"CVE-2023-38545", "7.88.1-10+deb12u4", "Critical"}},
		{"image check fails", c, []string{"image", "check", image}, 1, nil},
		{"image check without detail", c, []string{"image", "check", image, "--detail=false", "--fail-based-on-results=false"}, 0, []string{"fail", "stop"}},
		{"image sbom", c, []string{"image", "sbom", image, "--format", "spdx-json"}, 0, []string{"SPDX-2.3"}},
		{"policy list", c, []string{"policy", "list"}, 0, []string{"yes", "Default"}},
		{"policy add", c, []string{"policy", "add", document}, 0, []string{"lenient"}},
		{"policy add again", c, []string{"policy", "add", document}, 1, nil},
		{"policy add broken", c, []string{"policy", "add", broken}, 1, []string{"surprise"}},
		{"image check with another policy", c, []string{"image", "check", image, "--policy", "lenient"}, 0, []string{"pass", "go"}},
		{"policy activate", c, []string{"policy", "activate", "lenient"}, 0, []string{"lenient"}},
		{"image check with the new active policy", c, []string{"image", "check", image}, 0, []string{"pass"}},
		{"policy delete of the active one", c, []string{"policy", "delete", "lenient"}, 1, nil},
		{"policy get", c, []string{"policy", "get", "lenient"}, 0, []string{`"rule_sets"`}},
		{"policy describe", c, []string{"policy", "describe"}, 0, []string{"suid_or_guid_set", "effective_user"}},
		{"registry add without validation", ctl{api: api, env: []string{"PLIMSOLL_REGISTRY_PASSWORD=s3cret-token"}},
			[]string{"registry", "add", "registry.invalid/team/*", "--user", "robot", "--skip-validate"}, 0, []string{"registry.invalid/team/*", "robot"}},
		{"registry list", c, []string{"registry", "list"}, 0, []string{"robot"}},
		{"registry get", c, []string{"registry", "get", "registry.invalid/team/*"}, 0, []string{"robot"}},
		{"registry delete", c, []string{"registry", "delete", "registry.invalid/team/*"}, 0, nil},
		{"repo add as a dry run", c, []string{"repo", "add", repository, "--dry-run"}, 0, []string{tag + "\n"}},
		{"nothing is watched after it", c, []string{"repo", "get", repository}, 2, []string{"is not known"}},
		{"repo add with a tag", c, []string{"repo", "add", image}, 1, []string{"without tag"}},
		{"repo add", c, []string{"repo", "add", repository, "--exclude-existing-tags", "--no-auto-subscribe"}, 0, []string{repository, "yes"}},
		{"repo list", c, []string{"repo", "list"}, 0, []string{repository, "TAG COUNT"}},
		{"repo unwatch", c, []string{"repo", "unwatch", repository}, 0, []string{repository, "no"}},
		{"repo watch", c, []string{"repo", "watch", repository}, 0, []string{repository, "yes"}},
		{"repo get", c, []string{"repo", "get", repository}, 0, []string{repository}},
		{"repo del", c, []string{"repo", "del", repository}, 0, nil},
		{"subscription activate", c, []string{"subscription", "activate", "tag_update", image}, 0, []string{image, "tag_update", "yes"}},
		{"subscription list", c, []string{"subscription", "list", "--key", image}, 0, []string{"policy_eval", "vuln_update", "analysis_update"}},
		{"subscription deactivate, the other way round", c, []string{"subscription", "deactivate", image, "tag_update"}, 0, []string{image, "no"}},
		{"subscription get of none", c, []string{"subscription", "get", "none"}, 1, []string{"not found"}},
		{"correction add", c, []string{"correction", "add", "--type", "java", "--match", "package=catalina", "--replace", "cpes=cpe:2.3:a:apache:tomcat:{version}:*:*:*:*:*:*:*"}, 0, []string{"package=catalina", "apache:tomcat"}},
		{"correction add that does nothing", c, []string{"correction", "add", "--type", "java", "--replace", "colour=red"}, 1, []string{"colour"}},
		{"correction list", c, []string{"correction", "list"}, 0, []string{"package=catalina"}},
		{"correction get of none", c, []string{"correction", "get", "none"}, 1, []string{"not found"}},
		{"account whoami", c, []string{"account", "whoami"}, 0, []string{"admin"}},
		{"an unknown image", c, []string{"image", "get", "nowhere.invalid/x:1"}, 1, []string{"nowhere.invalid/x:1"}},
		{"a wrong password", wrong, []string{"image", "list"}, 2, nil},
		{"no server", nowhere, []string{"image", "list"}, 2, []string{"no answer"}},
		{"wrong usage", c, []string{"image", "get"}, 2, nil},
	} {
		stdout, stderr, code := tt.as.run(t, tt.args...)
		if code != tt.code {
			t.Errorf("%s: exit code %d, want %d\n%s%s", tt.name, code, tt.code, stdout, stderr)
			continue
		}
		said := stdout
		if code != 0 {
			said = stderr
		}
		for _, part := range tt.want {
			if !strings.Contains(said, part) {
				t.Errorf("%s: no %q in\n%s", tt.name, part, said)
			}
		}
		if strings.Contains(stdout+stderr, "s3cret-token") {
			t.Errorf("%s: shows a registry password", tt.name)
		}
	}
	stdout, _, _ := c.run(t, "image", "list", "-o", "json")
	var list struct{ Items []map[string]any }
	if err := json.Unmarshal([]byte(stdout), &list); err != nil || len(list.Items) == 0 {
		t.Errorf("image list -o json: %v in %s", err, stdout)
	}
}
