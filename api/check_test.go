package api

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"plimsoll/api/client"
	"plimsoll/persistence"
)

// marked is a number of findings that no evaluation comes to.
const marked = 4711

// mark makes the stored verdict tell itself from one that is computed.
func (s *server) mark(key persistence.EvaluationKey) persistence.Evaluation {
	s.t.Helper()
	stored, err := persistence.NewEvaluations(s.pool).Latest(s.t.Context(), key)
	must(s.t, err)
	var result map[string]any
	must(s.t, json.Unmarshal(stored.Result, &result))
	result["number_of_findings"] = marked
	text, err := json.Marshal(result)
	must(s.t, err)
	s.sql(`UPDATE plimsoll.evaluation SET result = $1 WHERE id = $2`, text, stored.ID)
	return stored
}

func (s *server) sql(text string, a ...any) {
	s.t.Helper()
	tag, err := s.pool.Exec(s.t.Context(), text, a...)
	must(s.t, err)
	if tag.RowsAffected() == 0 {
		s.t.Fatalf("%s: no row", text)
	}
}

func TestACheckIsAnsweredFromTheStoreOnlyWhileNothingChanged(t *testing.T) {
	t.Parallel()
	changes := map[string]string{
		"the policy":                        `UPDATE plimsoll.policy SET digest = 'other' WHERE active`,
		"the image":                         `UPDATE plimsoll.image SET dockerfile = 'RlJPTSBzY3JhdGNo', dockerfile_mode = 'Actual'`,
		"the analysis":                      `UPDATE plimsoll.analysis SET analyzed_at = analyzed_at + interval '1 second'`,
		"a tag":                             `INSERT INTO plimsoll.image_tag (account, registry, repository, tag, digest, pull_digest) SELECT account, registry, 'other', tag, digest, pull_digest FROM plimsoll.image_tag`,
		"a tag that is not current":         `UPDATE plimsoll.image_tag SET updated_at = now() + interval '1 hour'`,
		"an annotation":                     `INSERT INTO plimsoll.annotation (account, image_digest, vulnerability, status, author) SELECT account, digest, 'GHSA-rope', 'fixed', 'mate' FROM plimsoll.image`,
		"a VEX document":                    `INSERT INTO plimsoll.vex_document (account, digest, size, format, document_id, document_version, author, statements, claims, refused, refusals, imported_by, imported_at) SELECT 'admin', digest, 1, 'OpenVEX', '', '', '', 1, 1, 0, '[]', '', now() FROM plimsoll.blob LIMIT 1`,
		"a rule for corrections":            `INSERT INTO plimsoll.correction (account, description, rule) VALUES ('admin', '', '{"type":"npm"}')`,
		"a corrected package":               `INSERT INTO plimsoll.package_correction (account, package_id, replacement_id, valid_from) SELECT 'admin', package_id, package_id, now() FROM plimsoll.image_package LIMIT 1`,
		"a match that ended":                `UPDATE plimsoll.package_match SET valid_to = now()`,
		"a match that began":                `INSERT INTO plimsoll.package_match (package_id, source, group_name, vulnerability, namespace, target, severity, confidence, fix_state, since, valid_from, from_generation, cause) SELECT package_id, source, group_name, 'NEW-1', namespace, target, severity, confidence, fix_state, now(), now(), from_generation, cause FROM plimsoll.package_match LIMIT 1`,
		"a generation of the feeds":         `INSERT INTO plimsoll_feeds.generation (source, group_name, added, changed, removed) VALUES ('osv', 'npm', 1, 0, 0)`,
		"a sync without news":               `UPDATE plimsoll_feeds.feed_group SET last_sync = now() + interval '1 hour'`,
		"a feed that was switched off":      `INSERT INTO plimsoll_feeds.feed_switch (source, group_name, enabled) VALUES ('osv', 'npm', false)`,
		"the time that it holds":            `UPDATE plimsoll.evaluation SET valid_until = now() - interval '1 second'`,
		"the time that anything is stored":  `UPDATE plimsoll.evaluation SET evaluated_at = now() - interval '2 hours'`,
		"what it rests on: more than known": `UPDATE plimsoll.evaluation SET inputs = ''`,
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			s.advise()
			digest := s.known(testTag, "one")
			s.admin(http.MethodPost, "/v2/images", addTag).wants(http.StatusOK)
			s.analyze("admin", digest, npm, deb)
			check := func() int {
				t.Helper()
				var answer client.PolicyEvaluation
				s.admin(http.MethodGet, "/v2/images/"+digest+"/check?tag="+testTag, "").wants(http.StatusOK).decode(&answer)
				return answer.Evaluations[0].NumberOfFindings
			}
			check()
			key := persistence.EvaluationKey{Account: "admin", ImageDigest: digest, Tag: testTag, PolicyID: s.deps.DefaultPolicy.ID}
			s.mark(key)
			if n := check(); n != marked {
				t.Fatalf("%d findings: nothing changed, and it was evaluated again", n)
			}
			s.sql(change)
			if n := check(); n == marked {
				t.Error("the stored verdict is the answer")
			}
		})
	}
}

func TestACheckWithoutALifetimeIsEvaluatedEachTime(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(_ *Deps, c *Config) { c.EvaluationTTL = 0 })
	digest := s.known(testTag, "one")
	s.admin(http.MethodPost, "/v2/images", addTag).wants(http.StatusOK)
	s.analyze("admin", digest, npm)
	var answer client.PolicyEvaluation
	for range 2 {
		s.admin(http.MethodGet, "/v2/images/"+digest+"/check?tag="+testTag, "").wants(http.StatusOK).decode(&answer)
		stored := s.mark(persistence.EvaluationKey{Account: "admin", ImageDigest: digest, Tag: testTag, PolicyID: s.deps.DefaultPolicy.ID})
		if answer.Evaluations[0].NumberOfFindings == marked || !answer.Evaluations[0].EvaluationTime.Equal(stored.EvaluatedAt.Truncate(time.Second)) {
			t.Errorf("answer %+v", answer.Evaluations[0])
		}
	}
}
