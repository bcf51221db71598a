package persistence_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"plimsoll/persistence"
	"plimsoll/persistence/seal"
)

func newSealer(t *testing.T, current string, previous ...string) *seal.Sealer {
	t.Helper()
	s, err := seal.New(current, previous...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRegistryPasswordsAreSealedAndRotate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.account("team")
	oldKey, newKey := seal.GenerateKey(), seal.GenerateKey()
	before := persistence.NewRegistries(w.pool, newSealer(t, oldKey))
	write := persistence.RegistryWrite{Account: admin, Registry: "docker.io", Type: "docker_v2", Username: "u", Password: "hunter2secret", VerifyTLS: true}
	created, err := before.Create(ctx, write)
	w.must(err)
	if created.Name != "docker.io" || !created.VerifyTLS {
		t.Errorf("created %+v", created)
	}
	if _, err := before.Create(ctx, write); !errors.Is(err, persistence.ErrExists) {
		t.Errorf("Create twice: %v", err)
	}
	if n := w.count(`SELECT count(*) FROM plimsoll.registry WHERE position('hunter2secret'::bytea IN sealed_password) > 0`); n != 0 {
		t.Error("the password lies in the database")
	}
	credentials, err := before.Credentials(ctx, admin)
	w.must(err)
	if len(credentials) != 1 || credentials[0].Password.Reveal() != "hunter2secret" {
		t.Errorf("%d credentials, or the wrong password", len(credentials))
	}
	if strings.Contains(fmt.Sprintf("%+v %#v %v", credentials, credentials, write), "hunter2secret") {
		t.Error("printing shows the password")
	}
	// A row copied to another account does not open.
	_, err = w.pool.Exec(ctx, `INSERT INTO plimsoll.registry SELECT 'team', registry, name, type, username, sealed_password, verify_tls FROM plimsoll.registry`)
	w.must(err)
	if _, err := before.Credentials(ctx, "team"); !errors.Is(err, seal.ErrTampered) {
		t.Errorf("copied row: %v, want ErrTampered", err)
	}
	w.must(before.Delete(ctx, "team", "docker.io"))

	if _, err := persistence.NewRegistries(w.pool, newSealer(t, newKey)).Credentials(ctx, admin); !errors.Is(err, seal.ErrUnknownKey) {
		t.Errorf("without the old key: %v, want ErrUnknownKey", err)
	}
	both := persistence.NewRegistries(w.pool, newSealer(t, newKey, oldKey))
	for _, want := range []int{1, 0} {
		if n, err := both.Reseal(ctx); err != nil || n != want {
			t.Errorf("Reseal: %d, %v, want %d", n, err, want)
		}
	}
	after, err := persistence.NewRegistries(w.pool, newSealer(t, newKey)).Credentials(ctx, admin)
	if err != nil || after[0].Password.Reveal() != "hunter2secret" {
		t.Errorf("after rotation: %v", err)
	}
	write.Password, write.Name = "changed", "hub"
	if r, err := both.Update(ctx, write); err != nil || r.Name != "hub" {
		t.Errorf("Update: %+v, %v", r, err)
	}
	w.must(both.Delete(ctx, admin, "docker.io"))
	if _, err := both.Update(ctx, write); !errors.Is(err, persistence.ErrNotFound) {
		t.Errorf("Update of a missing one: %v", err)
	}
}
