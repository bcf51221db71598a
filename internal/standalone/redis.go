package standalone

import (
	"fmt"
	"net/url"
	"time"

	"github.com/alicebob/miniredis/v2"

	"plimsoll/internal/config"
)

// redisTick is how exactly keys expire: the in-process server has no clock of
// its own and is told how much time went by.
const redisTick = time.Second

// redis is the in-process server. What it holds (sessions, caches) is lost
// with the process, as the real one may lose it too.
type redis struct {
	server *miniredis.Miniredis
	url    config.SecretURL
	quit   chan struct{}
	ended  chan struct{}
}

func startRedis() (*redis, error) {
	password := randomPassword()
	server := miniredis.NewMiniRedis()
	server.RequireAuth(password)
	if err := server.StartAddr("127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("start in-process Redis: %w", err)
	}
	address := url.URL{Scheme: "redis", User: url.UserPassword("", password), Host: server.Addr(), Path: "/0"}
	r := &redis{server: server, url: config.SecretURL(address.String()), quit: make(chan struct{}), ended: make(chan struct{})}
	go r.age()
	return r, nil
}

// age lets keys expire until stop.
func (r *redis) age() {
	defer close(r.ended)
	tick := time.NewTicker(redisTick)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-r.quit:
			return
		case now := <-tick.C:
			r.server.FastForward(now.Sub(last))
			last = now
		}
	}
}

func (r *redis) stop() {
	close(r.quit)
	<-r.ended
	r.server.Close()
}
