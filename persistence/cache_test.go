package persistence_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/persistence"
)

// Layer results that no image needs stay as long as they fit, those used last first; what an image needs never goes
// and takes no room.
func TestUnneededLayersStayAsLongAsTheyFit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.analyzed(admin, "app", "1") // built on the layer base
	w.must(w.layers.Save(ctx, newLayer("base")))
	for age, name := range map[string]string{"40 hours": "oldest", "30 hours": "older", "25 hours": "old", "1 hour": "young"} {
		w.must(w.layers.Save(ctx, newLayer(name)))
		_, err := w.pool.Exec(ctx, `UPDATE plimsoll.layer SET used_at = now() - $2::interval WHERE digest = $1`, digestOf(name), age)
		w.must(err)
	}
	_, err := w.pool.Exec(ctx, `UPDATE plimsoll.layer SET used_at = now() - interval '50 hours' WHERE digest = $1`, digestOf("base"))
	w.must(err)
	var each int64 // the same for all but a few bytes
	w.must(w.pool.QueryRow(ctx, `SELECT max(octet_length(e.data) + octet_length(v.data)) FROM plimsoll.layer l
		JOIN plimsoll.blob e ON e.digest = l.entries_blob JOIN plimsoll.blob v ON v.digest = l.evidence_blob`).Scan(&each))
	left := func(room int64) (names []string) {
		_, err := w.analyses.Collect(ctx, persistence.Retention{Grace: persistence.CollectGrace, LayerBytes: room})
		w.must(err)
		for _, name := range []string{"base", "oldest", "older", "old", "young"} {
			if w.count(`SELECT count(*) FROM plimsoll.layer WHERE digest = $1`, digestOf(name)) > 0 {
				names = append(names, name)
			}
		}
		return names
	}
	for _, step := range []struct {
		room int64
		want []string
	}{
		{4 * each, []string{"base", "oldest", "older", "old", "young"}},
		{3 * each, []string{"base", "older", "old", "young"}},
		{2 * each, []string{"base", "old", "young"}},
		{0, []string{"base", "young"}}, // within its day
	} {
		if diff := cmp.Diff(step.want, left(step.room)); diff != "" {
			t.Errorf("with room for %d bytes (-want +got):\n%s", step.room, diff)
		}
	}
}
