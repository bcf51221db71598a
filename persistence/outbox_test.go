package persistence_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"plimsoll/persistence"
	"plimsoll/persistence/pgtest"
)

func TestOutboxHandsOutEachRowOnceAndAgainAfterTheLease(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	for _, image := range []string{"a", "b", "c", "d"} {
		w.submit(w.submission(admin, image, image))
	}
	due := func(lease time.Duration) []persistence.Pending {
		t.Helper()
		list, err := w.outbox.Due(ctx, 10, lease)
		w.must(err)
		return list
	}
	if list := due(time.Minute); len(list) != 0 {
		t.Errorf("%d rows before whoever wrote them had a chance", len(list))
	}
	_, err := w.pool.Exec(ctx, `UPDATE plimsoll.outbox SET next_attempt = now()`)
	w.must(err)
	var (
		group sync.WaitGroup
		lock  sync.Mutex
		seen  = make(map[int64]int)
	)
	for range 4 {
		group.Go(func() {
			for _, p := range due(time.Minute) {
				lock.Lock()
				seen[p.ID]++
				lock.Unlock()
				if p.Workflow != "AnalyzeImage" || !strings.HasPrefix(string(p.Input), `{"request": `) || p.Attempts != 1 {
					t.Errorf("claimed %+v", p)
				}
			}
		})
	}
	group.Wait()
	if len(seen) != 4 {
		t.Errorf("%d rows claimed, want 4", len(seen))
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("row %d claimed %d times", id, n)
		}
		w.must(w.outbox.Failed(ctx, id, "no frontend\x00"))
	}
	if n := w.count(`SELECT count(*) FROM plimsoll.outbox WHERE next_attempt BETWEEN now() + interval '1 second' AND now() + interval '10 seconds'`); n != 4 {
		t.Errorf("%d rows put off by the first step", n)
	}
	for id := range seen {
		w.must(w.outbox.Done(ctx, id))
		w.must(w.outbox.Done(ctx, id))
		if _, err := w.outbox.Get(ctx, id); !errors.Is(err, persistence.ErrNotFound) {
			t.Errorf("Get: %v, want ErrNotFound", err)
		}
	}
}

func TestServicesForgetOnlyTheDead(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	services := persistence.NewServices(pgtest.New(t))
	beat := persistence.Service{HostID: "host", Name: "api", BaseURL: "http://host", Version: "v1", StartedAt: noon, HeartbeatAt: noon}
	for range 2 {
		if err := services.Heartbeat(ctx, beat); err != nil {
			t.Fatal(err)
		}
		beat.HeartbeatAt = beat.HeartbeatAt.Add(time.Minute)
	}
	list, err := services.List(ctx)
	if err != nil || len(list) != 1 || !list[0].HeartbeatAt.Equal(noon.Add(time.Minute)) {
		t.Errorf("list %v, %v", list, err)
	}
	if err := services.Delete(ctx, "host", "api", noon); !errors.Is(err, persistence.ErrActive) {
		t.Errorf("Delete of a live one: %v, want ErrActive", err)
	}
	if err := services.Delete(ctx, "host", "api", noon.Add(time.Hour)); err != nil {
		t.Error(err)
	}
	if err := services.Delete(ctx, "host", "api", noon); !errors.Is(err, persistence.ErrNotFound) {
		t.Errorf("Delete again: %v, want ErrNotFound", err)
	}
}

func TestTheLastValueOfASettingHolds(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	settings := persistence.NewSettings(pgtest.New(t))
	var got string
	if err := settings.Get(ctx, "key", &got); !errors.Is(err, persistence.ErrNotFound) {
		t.Errorf("Get: %v, want ErrNotFound", err)
	}
	for _, value := range []string{"first", "second"} {
		if err := settings.Set(ctx, "key", value); err != nil {
			t.Fatal(err)
		}
		if err := settings.Get(ctx, "key", &got); err != nil || got != value {
			t.Errorf("Get after %s: %q, %v", value, got, err)
		}
	}
}

func TestOpenExplainsWhatIsWrong(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	cfg := persistence.DefaultConfig()
	if _, err := persistence.Open(ctx, "postgres://plimsoll:hunter2secret@127.0.0.1:1/plimsoll?sslmode=disable", cfg); err == nil || strings.Contains(err.Error(), "hunter2secret") {
		t.Errorf("unreachable server: %v", err)
	}
	if _, err := persistence.Open(ctx, "postgres://plimsoll:hunter2secret@127.0.0.1:port/x", cfg); err == nil || strings.Contains(err.Error(), "hunter2secret") {
		t.Errorf("bad address: %v", err)
	}
	cfg.MaxConns, cfg.ConnectTimeout = 0, 0
	if _, err := persistence.Open(ctx, pgtest.Empty(t), cfg); err == nil || !strings.Contains(err.Error(), "max_conns") || !strings.Contains(err.Error(), "connect_timeout") {
		t.Errorf("bad settings: %v, want every fault named", err)
	}
}

func TestOpenRefusesOtherEncodings(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	pool := pgtest.New(t)
	if _, err := pool.Exec(ctx, `CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if _, err := pool.Exec(ctx, `DROP DATABASE latin WITH (FORCE)`); err != nil {
			t.Error(err)
		}
	}()
	address := pool.Config().ConnConfig
	_, err := persistence.Open(ctx, "host="+address.Host+" port="+portOf(address.Port)+" user="+address.User+" password='"+address.Password+"' dbname=latin sslmode=disable", persistence.DefaultConfig())
	if !errors.Is(err, persistence.ErrUnsuitable) || !strings.Contains(err.Error(), "UTF8") {
		t.Errorf("Open: %v, want ErrUnsuitable", err)
	}
}
