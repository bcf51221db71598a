package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// maxInscription bounds what of an image's labels can be searched for, in bytes of keys and values.
const maxInscription = 64 << 10

// Inscription is what an image says about itself: labels of its config and annotations of its manifest.
type Inscription struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

// ReadInscription reads the documents of an image. Values that are no text, as only broken builders write them, are
// left out.
func ReadInscription(manifest, config []byte) (Inscription, error) {
	var m struct {
		Annotations map[string]any `json:"annotations"`
	}
	var c struct {
		Config struct {
			Labels map[string]any `json:"Labels"`
		} `json:"config"`
	}
	for _, d := range []struct {
		data []byte
		into any
	}{{manifest, &m}, {config, &c}} {
		var odd *json.UnmarshalTypeError // of an uploaded document: what is no object holds no labels
		if err := json.Unmarshal(d.data, d.into); err != nil && !errors.As(err, &odd) {
			return Inscription{}, fmt.Errorf("read labels: %w", err)
		}
	}
	return Inscription{Labels: texts(c.Config.Labels), Annotations: texts(m.Annotations)}, nil
}

func texts(m map[string]any) map[string]string {
	out := make(map[string]string, len(m))
	for key, v := range m {
		if text, ok := v.(string); ok {
			out[key] = text
		}
	}
	return out
}

// Find gives an annotation, or the label of that name.
func (i Inscription) Find(key string) string {
	if v := i.Annotations[key]; v != "" {
		return v
	}
	return i.Labels[key]
}

// Searchable joins both, annotations over labels, up to 64 KiB in the order of the keys.
func (i Inscription) Searchable() map[string]string {
	all := maps.Clone(i.Labels)
	maps.Copy(all, i.Annotations)
	size := 0
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if size += len(key) + len(all[key]); size > maxInscription {
			delete(all, key)
		}
	}
	return all
}
