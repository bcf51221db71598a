package activities_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/policy"
	"plimsoll/engine/policy/gates"
	"plimsoll/persistence"
	"plimsoll/persistence/blob"
	"plimsoll/persistence/facts"
	"plimsoll/workflows"
)

// standing are the newest verdicts of an image's current tags, with what they say.
func (s *system) standing(in workflows.AnalyzeImageInput) (out []string) {
	s.t.Helper()
	for _, tag := range s.status(in).Tags {
		e, err := persistence.NewEvaluations(s.pool).Latest(s.t.Context(), persistence.EvaluationKey{
			Account: in.Account, ImageDigest: in.Digest, Tag: tag.FullTag(), PolicyID: "default",
		})
		if err != nil {
			s.t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%s %s %s %s %d %d %s", e.Tag, e.FinalAction, e.Status, e.PolicyDigest, e.Generation, e.AnalysisID, e.Result))
	}
	return out
}

// restsOn is what the newest verdict of an image's first tag rests on.
func (s *system) restsOn(in workflows.AnalyzeImageInput) string {
	s.t.Helper()
	e, err := persistence.NewEvaluations(s.pool).Latest(s.t.Context(), persistence.EvaluationKey{
		Account: in.Account, ImageDigest: in.Digest, Tag: s.status(in).Tags[0].FullTag(), PolicyID: "default",
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return e.Inputs
}

// alone evaluates the current tags of an image by facts that are read for nothing else.
func (s *system) alone(in workflows.AnalyzeImageInput) (out []string) {
	s.t.Helper()
	ctx := s.t.Context()
	stored, err := persistence.NewPolicies(s.pool).Active(ctx, in.Account)
	if err != nil {
		s.t.Fatal(err)
	}
	compiled, _, err := policy.Load(stored.Document, gates.All())
	if err != nil {
		s.t.Fatal(err)
	}
	generation, err := persistence.NewFeeds(s.pool).Generation(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	record := s.status(in)
	for _, tag := range record.Tags {
		known, err := facts.New(s.pool, s.pool, blob.NewPostgres(s.pool), facts.Config{}).Of(ctx, in.Account, in.Digest)
		if err != nil {
			s.t.Fatal(err)
		}
		result, err := compiled.Evaluate(ctx, known, tag.FullTag(), time.Now())
		if err != nil {
			s.t.Fatal(err)
		}
		encoded, err := result.Timeless()
		if err != nil {
			s.t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%s %s %s %s %d %d %s", tag.FullTag(), result.FinalAction, result.Status, stored.Digest, generation, *record.AnalysisID, encoded))
	}
	return out
}

func TestImagesJudgedTogetherGetTheVerdictsOfEachAlone(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := t.Context()
	s.publish("Debian", advisory("DSA-1", "Debian:12", "curl", "9"))
	s.publish("npm", advisory("GHSA-aaaa-bbbb-cccc", "npm", "left-pad", "1.3.1"))
	s.sync()
	base := layer(t, map[string]string{"etc/os-release": debian, "var/lib/dpkg/status": status})
	var images []workflows.AnalyzeImageInput
	for i := range 5 {
		app := layer(t, map[string]string{
			"app/node_modules/left-pad/package.json": fmt.Sprintf(`{"name":"left-pad","version":"1.3.%d"}`, i%2),
			fmt.Sprintf("app/%d", i):                 "an image of its own",
		})
		s.push(fmt.Sprintf("team/app:%d", i), base, app)
		for _, account := range []string{"acme", "globex"} {
			in := s.add(account, "team/app", fmt.Sprint(i))
			s.analyze(in)
			images = append(images, in)
		}
	}
	// Of one image, nobody can tell anything any more.
	broken := images[4]
	if _, err := s.pool.Exec(ctx, `UPDATE plimsoll.blob SET data = '\x00' WHERE digest = (SELECT a.config_blob FROM plimsoll.analysis a WHERE a.image_digest = $1)`, broken.Digest); err != nil {
		t.Fatal(err)
	}
	before := s.standing(broken)
	s.publish("Debian", advisory("DSA-1", "Debian:12", "openssl", "3.0.11-1~deb12u3"), advisory("DSA-3", "Debian:12", "bash", "5.2.15-3"))
	synced := s.sync()["Debian"] // its rescan judges what it moves
	if synced.Generation == 0 {
		t.Fatalf("nothing changed: %+v", synced)
	}
	for _, in := range images {
		if in.Digest == broken.Digest {
			continue
		}
		if diff := cmp.Diff(s.alone(in), s.standing(in)); diff != "" {
			t.Errorf("%s of %s (-alone +together):\n%s", in.Digest, in.Account, diff)
		}
		// A check of an image that was judged together with others finds that its verdict holds.
		inputs, err := facts.New(s.pool, s.pool, blob.NewPostgres(s.pool), facts.Config{}).Inputs(ctx, in.Account, in.Digest)
		if err != nil {
			t.Fatal(err)
		}
		if rests := s.restsOn(in); rests != inputs {
			t.Errorf("%s of %s rests on %s, now there is %s", in.Digest, in.Account, rests, inputs)
		}
	}
	if diff := cmp.Diff(before, s.standing(broken)); diff != "" {
		t.Errorf("an image that cannot be read has another verdict:\n%s", diff)
	}
}
