package e2e

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/api/client"
	"plimsoll/internal/nettest"
)

// system is a standalone installation in a folder of its own.
type system struct {
	dir, api string
	env      []string
	mirror   string
	*process
}

func newSystem(t testing.TB) *system {
	t.Helper()
	s := &system{dir: filepath.Join(t.TempDir(), "data"), api: nettest.FreeAddr(t)}
	dir, base := mirror(t)
	s.mirror = dir
	s.env = []string{
		"PLIMSOLL_API_ADDR=" + s.api, "PLIMSOLL_UI_ADDR=" + nettest.FreeAddr(t), "PLIMSOLL_TEMPORAL_UI_ADDR=" + nettest.FreeAddr(t),
		"PLIMSOLL_ADMIN_PASSWORD=" + adminPassword, "PLIMSOLL_FEEDS_MIRROR_URL=" + base, "PLIMSOLL_FEEDS_ONLY=osv", "PLIMSOLL_FEEDS_OSV_ECOSYSTEMS=" + ecosystems,
		"PLIMSOLL_STANDALONE_TEMPORAL_BIN=" + temporal(t),
	}
	s.start(t)
	return s
}

func (s *system) start(t testing.TB) {
	t.Helper()
	s.process = launch(t, s.env, plimsoll(t), "standalone", "--data-dir", s.dir)
	ready(t, admin(t, s.api))
}

func TestFromSubmissionToVerdict(t *testing.T) { //nolint:tparallel // the steps build on one another
	t.Parallel()
	s := newSystem(t)
	c := admin(t, s.api)
	registry := newSource(t)
	image := registry.push(t, sampleImage(t), "sample/app:1")
	syncFeeds(t, c)

	added := submit(t, c, image, false)
	if len(added.ImageDetail) != 1 || added.ImageDetail[0].FullTag != image {
		t.Errorf("image_detail = %+v, want the tag %s", added.ImageDetail, image)
	}
	digest := added.ImageDigest
	status(t, c, digest, "analyzed")

	t.Run("packages", func(t *testing.T) { wantPackages(t, c, digest) })
	t.Run("files", func(t *testing.T) { wantFiles(t, c, digest) })
	t.Run("findings in files", func(t *testing.T) { wantFindings(t, c, digest) })
	t.Run("vulnerabilities", func(t *testing.T) { wantVulnerabilities(t, c, digest) })
	t.Run("verdict", func(t *testing.T) { wantVerdict(t, c, digest, image) })
	t.Run("bills of materials", func(t *testing.T) { wantSBOMs(t, c, digest) })
	t.Run("adding again changes nothing", func(t *testing.T) {
		reads := registry.blobReads.Load()
		again := submit(t, c, image, false)
		if again.AnalysisStatus != "analyzed" || again.ImageDigest != digest {
			t.Errorf("again: %s %s, want analyzed %s", again.AnalysisStatus, again.ImageDigest, digest)
		}
		// The config blob may be read to answer; no layer is.
		if n := registry.blobReads.Load() - reads; n > 1 {
			t.Errorf("%d blobs read for an image that is analysed", n)
		}
	})
	t.Run("a second tag of the image reads no layer", func(t *testing.T) {
		reads := registry.blobReads.Load()
		other := registry.push(t, sampleImage(t), "sample/app:2")
		submit(t, c, other, false)
		got := status(t, c, digest, "analyzed")
		if len(got.ImageDetail) != 2 {
			t.Errorf("tags = %d, want 2", len(got.ImageDetail))
		}
		if n := registry.blobReads.Load() - reads; n > 1 {
			t.Errorf("%d blobs read", n)
		}
	})
	t.Run("a feed change reaches the analysed image", func(t *testing.T) { wantRescan(t, s, c, digest) })
	t.Run("other accounts see nothing of it", func(t *testing.T) { wantIsolation(t, s, c, digest, image) })
	t.Run("bad input gets a clear error", func(t *testing.T) { wantRefusals(t, c, registry) })
	t.Run("command line", func(t *testing.T) { wantCommandLine(t, s.api, image, digest) })
	t.Run("deleting", func(t *testing.T) { wantDeletion(t, c, digest) })
}

func names(t testing.TB, c *client.ClientWithResponses, digest, kind string) []string {
	t.Helper()
	var got []string
	if kind == "java" {
		r, err := c.GetImageJavaPackagesWithResponse(t.Context(), digest, &client.GetImageJavaPackagesParams{})
		if err != nil || r.JSON200 == nil {
			t.Fatalf("java content: %v", err)
		}
		for _, p := range r.JSON200.Content {
			got = append(got, p.Package+" "+p.Version)
		}
		return got
	}
	r, err := c.GetImagePackagesWithResponse(t.Context(), digest, kind, &client.GetImagePackagesParams{})
	if err != nil {
		t.Fatal(err)
	}
	if r.JSON200 == nil {
		t.Fatalf("%s content: %v", kind, client.Failure(r.StatusCode(), r.Body))
	}
	for _, p := range r.JSON200.Content {
		got = append(got, p.Package+" "+p.Version)
	}
	sort.Strings(got)
	return got
}

func wantPackages(t *testing.T, c *client.ClientWithResponses, digest string) {
	want := map[string][]string{
		"os": {"base-files 12.4+deb12u5", "bash 5.2.15-2+b2", "ca-certificates 20230311", "curl 7.88.1-10+deb12u3", "libc6 2.36-9+deb12u4",
			"libcurl4 7.88.1-10+deb12u3", "libssl3 3.0.11-1~deb12u1", "openssl 3.0.11-1~deb12u1", "passwd 1:4.13+dfsg1-1+b1",
			"python3-requests 2.28.1+dfsg-1", "zlib1g 1:1.2.13.dfsg-1"},
		"npm":  {"lodash 4.17.10"},
		"java": {"jackson-databind 2.9.9"},
	}
	for kind, packages := range want {
		if diff := cmp.Diff(packages, names(t, c, digest, kind)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", kind, diff)
		}
	}
	if got := names(t, c, digest, "python"); !slices.Contains(got, "requests 2.19.0") {
		t.Errorf("python = %v, want requests 2.19.0 in it", got)
	}
	gomods := names(t, c, digest, "go")
	if !slices.ContainsFunc(gomods, func(s string) bool { return strings.HasPrefix(s, "github.com/google/uuid v") }) ||
		!slices.ContainsFunc(gomods, func(s string) bool { return strings.HasPrefix(s, "stdlib ") }) {
		t.Errorf("go = %v, want the uuid module and stdlib", gomods)
	}
}

func wantFiles(t *testing.T, c *client.ClientWithResponses, digest string) {
	r, err := c.GetImageFilesWithResponse(t.Context(), digest, &client.GetImageFilesParams{})
	if err != nil || r.JSON200 == nil {
		t.Fatalf("files: %v", err)
	}
	files := map[string]client.FilesContent{}
	for _, f := range r.JSON200.Content {
		files[f.Filename] = f
	}
	if f := files["/usr/bin/passwd"]; !strings.HasSuffix(f.Mode, "4755") || f.Sha256 == nil || len(*f.Sha256) != 64 {
		t.Errorf("/usr/bin/passwd = %+v, want setuid and a SHA-256", f)
	}
	if f := files["/srv/app/config.ini"]; f.Size != len("listen = 8080\nlog = json\n") {
		t.Errorf("/srv/app/config.ini has %d bytes, want the upper layer's", f.Size)
	}
	for _, gone := range []string{"/var/cache/debconf", "/var/cache/debconf/config.dat"} {
		if _, ok := files[gone]; ok {
			t.Errorf("%s is listed although a later layer removed it", gone)
		}
	}
	if _, ok := files["/srv/app/.aws/credentials"]; !ok {
		t.Error("the planted secret's file is missing")
	}
}

func wantFindings(t *testing.T, c *client.ClientWithResponses, digest string) {
	r, err := c.GetImageSecretSearchWithResponse(t.Context(), digest, &client.GetImageSecretSearchParams{})
	if err != nil || r.JSON200 == nil {
		t.Fatalf("secret search: %v", err)
	}
	var got []string
	for _, f := range *r.JSON200 {
		for _, m := range f.Matches {
			got = append(got, fmt.Sprint(f.Path, " ", m.Name, " ", m.Lines))
		}
	}
	if diff := cmp.Diff([]string{"/srv/app/.aws/credentials AWS_ACCESS_KEY [2]", "/srv/app/.aws/credentials AWS_SECRET_KEY [3]"}, got); diff != "" {
		t.Errorf("secrets (-want +got):\n%s", diff)
	}
	kept, err := c.GetImageRetrievedFilesWithResponse(t.Context(), digest, &client.GetImageRetrievedFilesParams{})
	if err != nil || kept.JSON200 == nil || len(*kept.JSON200) != 1 || (*kept.JSON200)[0].Path != "/etc/passwd" {
		t.Errorf("retrieved files: %v %s", err, kept.Body)
	}
}

func vulnerable(t testing.TB, c *client.ClientWithResponses, digest string) map[string]client.ImagePackageVulnerability {
	t.Helper()
	r, err := c.GetImageVulnerabilitiesWithResponse(t.Context(), digest, "all", &client.GetImageVulnerabilitiesParams{})
	if err != nil {
		t.Fatal(err)
	}
	if r.JSON200 == nil {
		t.Fatalf("vulnerabilities: %v", client.Failure(r.StatusCode(), r.Body))
	}
	got := map[string]client.ImagePackageVulnerability{}
	for _, v := range r.JSON200.Vulnerabilities {
		got[v.Vuln+" "+v.PackageName] = v
	}
	return got
}

func wantVulnerabilities(t *testing.T, c *client.ClientWithResponses, digest string) {
	got := vulnerable(t, c, digest)
	want := map[string]struct{ severity, fix, group string }{
		"CVE-2023-38545 curl":                  {"Critical", "7.88.1-10+deb12u4", "debian:12"},
		"CVE-2023-38545 libcurl4":              {"Critical", "7.88.1-10+deb12u4", "debian:12"},
		"CVE-2023-5363 openssl":                {"High", "3.0.11-1~deb12u2", "debian:12"},
		"CVE-2025-10148 curl":                  {"Medium", "None", "debian:12"},
		"GHSA-4xc9-xhrj-v574 lodash":           {"High", "4.17.11", "github:language:javascript"},
		"PYSEC-2018-28 requests":               {"Unknown", "2.20.0", "github:language:python"},
		"GHSA-fmmc-742q-jg75 jackson-databind": {"Critical", "2.9.10.1", "github:language:java"},
	}
	for key, w := range want {
		v, ok := got[key]
		if !ok {
			t.Errorf("%s is not reported", key)
			continue
		}
		if v.Severity != w.severity || v.Fix != w.fix || v.FeedGroup != w.group {
			t.Errorf("%s = %s, fix %s, group %s; want %s, %s, %s", key, v.Severity, v.Fix, v.FeedGroup, w.severity, w.fix, w.group)
		}
		if v.Url == "" || v.PackageVersion == "" || v.PackageType == "" || v.DetectedAt == nil {
			t.Errorf("%s lacks a field: %+v", key, v)
		}
	}
	if _, ok := got["CVE-2023-5363 zlib1g"]; ok {
		t.Error("an advisory for openssl is reported for zlib1g")
	}
	lines := map[client.GetImageVulnerabilitiesParamsVulnType]int{}
	for _, kind := range []client.GetImageVulnerabilitiesParamsVulnType{"all", "os", "non-os"} {
		r, err := c.GetImageVulnerabilitiesWithResponse(t.Context(), digest, kind, &client.GetImageVulnerabilitiesParams{})
		if err != nil || r.JSON200 == nil {
			t.Fatalf("%s: %v", kind, err)
		}
		lines[kind] = len(r.JSON200.Vulnerabilities)
	}
	if lines["os"] == 0 || lines["non-os"] == 0 || lines["os"]+lines["non-os"] != lines["all"] {
		t.Errorf("lines by type = %v, want os and non-os to make up all", lines)
	}
}

func check(t testing.TB, c *client.ClientWithResponses, digest, image string) client.PolicyEvaluationResult {
	t.Helper()
	r, err := c.CheckImageWithResponse(t.Context(), digest, &client.CheckImageParams{Tag: image})
	if err != nil {
		t.Fatal(err)
	}
	if r.JSON200 == nil {
		t.Fatalf("check: %v", client.Failure(r.StatusCode(), r.Body))
	}
	return r.JSON200.Evaluations[0]
}

func wantVerdict(t *testing.T, c *client.ClientWithResponses, digest, image string) {
	e := check(t, c, digest, image)
	if e.Status != "fail" || e.FinalAction != "stop" || e.FinalActionReason != "policy_evaluation" || !e.ImageMappedToRule {
		t.Errorf("verdict = %s %s %s mapped %v, want fail stop policy_evaluation mapped", e.Status, e.FinalAction, e.FinalActionReason, e.ImageMappedToRule)
	}
	if e.Details == nil || len(e.Details.Findings) == 0 || e.NumberOfFindings != len(e.Details.Findings) {
		t.Fatalf("findings do not add up: %+v", e)
	}
	ids := map[string]bool{}
	for _, f := range e.Details.Findings {
		ids[f.TriggerId] = true
	}
	for _, id := range []string{"CVE-2023-38545+curl", "GHSA-fmmc-742q-jg75+jackson-databind-2.9.9.jar"} {
		if !ids[id] {
			t.Errorf("no finding with trigger id %s", id)
		}
	}
}

func wantSBOMs(t *testing.T, c *client.ClientWithResponses, digest string) {
	native, err := c.GetImageSbomNativeWithResponse(t.Context(), digest, &client.GetImageSbomNativeParams{})
	if err != nil {
		t.Fatal(err)
	}
	spdx, err := c.GetImageSbomSpdxWithResponse(t.Context(), digest, &client.GetImageSbomSpdxParams{})
	if err != nil {
		t.Fatal(err)
	}
	cyclonedx, err := c.GetImageSbomCyclonedxWithResponse(t.Context(), digest, &client.GetImageSbomCyclonedxParams{})
	if err != nil {
		t.Fatal(err)
	}
	for format, body := range map[string][]byte{"native": native.Body, "spdx": spdx.Body, "cyclonedx": cyclonedx.Body} {
		for _, part := range []string{"pkg:deb/debian/openssl@3.0.11-1~deb12u1", "pkg:npm/lodash@4.17.10", "pkg:maven/com.fasterxml.jackson.core/jackson-databind@2.9.9"} {
			if !strings.Contains(strings.ReplaceAll(string(body), "%7E", "~"), part) {
				t.Errorf("the %s document lacks %s", format, part)
			}
		}
	}
}

func wantIsolation(t *testing.T, s *system, c *client.ClientWithResponses, digest, image string) {
	ctx := t.Context()
	if r, err := c.CreateAccountWithResponse(ctx, client.AccountCreationRequest{Name: "second"}); err != nil || r.StatusCode() != http.StatusOK {
		t.Fatalf("create account: %v %v", err, r)
	}
	for _, name := range []string{"reader", "nobody"} {
		if r, err := c.CreateUserWithResponse(ctx, "second", client.UserCreationRequest{Username: name, Password: "a long password"}); err != nil || r.StatusCode() != http.StatusOK {
			t.Fatalf("create user: %v %v", err, r)
		}
	}
	domain := "second"
	if r, err := c.CreateRoleMemberWithResponse(ctx, "read-only", client.RbacManagerRoleMember{Username: "reader", DomainName: &domain}); err != nil || r.StatusCode() != http.StatusOK {
		t.Fatalf("grant: %v %v", err, r)
	}
	codes := func(who *client.ClientWithResponses) (get, add int) {
		g, err := who.GetImageWithResponse(ctx, digest, &client.GetImageParams{})
		if err != nil {
			t.Fatal(err)
		}
		a, err := who.AddImageWithResponse(ctx, &client.AddImageParams{}, client.ImageAnalysisRequest{Source: client.ImageSource{Tag: &client.RegistryTagSource{PullString: image}}})
		if err != nil {
			t.Fatal(err)
		}
		return g.StatusCode(), a.StatusCode()
	}
	for _, tt := range []struct {
		who      string
		c        *client.ClientWithResponses
		get, add int
	}{
		{"a reader of another account", user(t, s.api, "reader", "a long password", ""), http.StatusNotFound, http.StatusForbidden},
		{"a user without a role", user(t, s.api, "nobody", "a long password", ""), http.StatusForbidden, http.StatusForbidden},
		{"a reader who names the admin account", user(t, s.api, "reader", "a long password", "admin"), http.StatusForbidden, http.StatusForbidden},
		{"a wrong password", user(t, s.api, "reader", "wrong", ""), http.StatusUnauthorized, http.StatusUnauthorized},
	} {
		if get, add := codes(tt.c); get != tt.get || add != tt.add {
			t.Errorf("%s: GET %d, POST %d; want %d, %d", tt.who, get, add, tt.get, tt.add)
		}
	}
	// The administrator may switch, and the other account has no such image until it asks for it itself.
	second := user(t, s.api, "admin", adminPassword, "second")
	if get, add := codes(second); get != http.StatusNotFound || add != http.StatusOK {
		t.Errorf("administrator in the second account: GET %d, POST %d; want 404, 200", get, add)
	}
	status(t, second, digest, "analyzed")
}

func wantDeletion(t *testing.T, c *client.ClientWithResponses, digest string) {
	force := true
	r, err := c.DeleteImageWithResponse(t.Context(), digest, &client.DeleteImageParams{Force: &force})
	if err != nil || r.JSON200 == nil || r.JSON200.Status != "deleting" {
		t.Fatalf("delete: %v %+v", err, r)
	}
	eventually(t, answerTimeout, "image gone", func() (bool, error) {
		r, err := c.GetImageWithResponse(t.Context(), digest, &client.GetImageParams{})
		return err == nil && r.StatusCode() == http.StatusNotFound, err
	})
}
