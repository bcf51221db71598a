package persistence

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Service is one running process of the system.
type Service struct {
	HostID      string
	Name        string
	BaseURL     string
	Version     string
	StartedAt   time.Time
	HeartbeatAt time.Time
}

// Services stores which processes report.
type Services struct{ pool *pgxpool.Pool }

// NewServices returns the store.
func NewServices(pool *pgxpool.Pool) *Services { return &Services{pool} }

var (
	serviceHeartbeat = query("service.heartbeat", `
INSERT INTO plimsoll.service (host_id, name, base_url, version, started_at, heartbeat_at)
VALUES (@host_id, @name, @base_url, @version, @started_at, @heartbeat_at)
ON CONFLICT (host_id, name) DO UPDATE SET base_url = excluded.base_url, version = excluded.version,
  started_at = excluded.started_at, heartbeat_at = excluded.heartbeat_at`)

	serviceList = query("service.list", `
SELECT host_id, name, base_url, version, started_at, heartbeat_at FROM plimsoll.service ORDER BY name, host_id`)

	serviceDelete = query("service.delete", `
DELETE FROM plimsoll.service WHERE host_id = @host_id AND name = @name AND heartbeat_at < @dead_before`)

	serviceExists = query("service.exists", `
SELECT EXISTS (SELECT FROM plimsoll.service WHERE host_id = @host_id AND name = @name)`)
)

// Heartbeat says that a process lives.
func (s *Services) Heartbeat(ctx context.Context, v Service) error {
	_, err := exec(ctx, s.pool, serviceHeartbeat, args{
		"host_id": v.HostID, "name": v.Name, "base_url": v.BaseURL, "version": v.Version,
		"started_at": v.StartedAt, "heartbeat_at": v.HeartbeatAt,
	})
	return wrap(err, "report service %s on %s", v.Name, v.HostID)
}

// List returns every process that has reported, by name and host.
func (s *Services) List(ctx context.Context) ([]Service, error) {
	list, err := many[Service](ctx, s.pool, serviceList, args{})
	return list, wrap(err, "list services")
}

// Delete forgets a process that has not reported since deadBefore: ErrNotFound, ErrActive.
func (s *Services) Delete(ctx context.Context, hostID, name string, deadBefore time.Time) error {
	n, err := exec(ctx, s.pool, serviceDelete, args{"host_id": hostID, "name": name, "dead_before": deadBefore})
	if err == nil && n == 0 {
		var there bool
		there, err = value[bool](ctx, s.pool, serviceExists, args{"host_id": hostID, "name": name})
		switch {
		case err == nil && there:
			err = ErrActive
		case err == nil:
			err = ErrNotFound
		}
	}
	return wrap(err, "forget service %s on %s", name, hostID)
}
