package nvd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/archive"
	"plimsoll/engine/feed/field"
)

// ErrOverrides means that a document is not the archive of overrides.
var ErrOverrides = errors.New("not an archive of NVD overrides")

// overrideLimits are far above what the archive has: 32,000 members, 71 MB, the largest of 200 kB.
var overrideLimits = archive.Limits{Bytes: 2 << 30, Member: 4 << 20, Members: 1_000_000}

// maxOverrides bounds what is held of them, in bytes.
const maxOverrides = 128 << 20

// overriding are configurations that replace NVD's, as JSON, by CVE.
type overriding map[string][]byte

// of returns the configurations that count for a CVE. An error means that NVD's do, because the others cannot be read.
func (o overriding) of(id string, given []configuration) ([]configuration, error) {
	raw, ok := o[id]
	if !ok {
		return given, nil
	}
	var instead []configuration
	if err := json.Unmarshal(raw, &instead); err != nil {
		return given, fmt.Errorf("%w: override: %w", ErrRecord, err)
	}
	return instead, nil
}

// readOverrides reads members such as nvd-data-overrides-main/data/2024/CVE-2024-20992.json.
func readOverrides(ctx context.Context, doc feed.Fetched, out feed.Sink) (overriding, error) {
	found := overriding{}
	size, members := 0, 0
	err := archive.Walk(ctx, doc, overrideLimits, func(m archive.Member) error {
		id, ok := strings.CutSuffix(path.Base(m.Name), ".json")
		if !ok || !field.IsCVE(id) || !strings.Contains(m.Name, "/data/") {
			return nil
		}
		raw, err := m.Bytes()
		if err == nil {
			raw, err = replacement(raw)
		}
		members++
		if err != nil {
			out.Bad(id, fmt.Errorf("%w: override: %w", ErrRecord, err))
			return nil
		}
		if raw == nil {
			return nil
		}
		if size += len(raw); size > maxOverrides {
			return fmt.Errorf("%w: more than %d bytes", archive.ErrTooLarge, maxOverrides)
		}
		found[id] = raw
		return nil
	})
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err == nil && members == 0 {
		err = errors.New("it has no override")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", documentOverrides, ErrOverrides, err)
	}
	return found, nil
}

// replacement brings what an override says into its shortest form; nil when it was emptied, and NVD's word counts again.
func replacement(raw []byte) ([]byte, error) {
	var o struct {
		CVE *struct {
			Configurations *[]configuration `json:"configurations"`
		} `json:"cve"`
	}
	if err := json.Unmarshal(raw, &o); err != nil {
		return nil, err
	}
	if o.CVE == nil {
		return nil, errors.New("it says nothing about a CVE")
	}
	if o.CVE.Configurations == nil {
		return nil, nil
	}
	return json.Marshal(*o.CVE.Configurations)
}
