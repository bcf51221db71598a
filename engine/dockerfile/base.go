package dockerfile

import "encoding/json"

// baseNameKey is the annotation that names the image another one was built on (OCI image specification,
// annotations.md). Builders without a way to annotate manifests set it as a label.
const baseNameKey = "org.opencontainers.image.base.name"

// Base is the base image that a manifest's annotation, or else its config's label, names; empty without one.
func Base(manifest, config []byte) string {
	var m struct {
		Annotations map[string]any `json:"annotations"`
	}
	var c struct {
		Config struct {
			Labels map[string]any `json:"Labels"`
		} `json:"config"`
	}
	// What is not readable here names no base; whoever needs the documents finds out by itself.
	_ = json.Unmarshal(manifest, &m)
	_ = json.Unmarshal(config, &c)
	if name, ok := m.Annotations[baseNameKey].(string); ok && name != "" {
		return name
	}
	name, _ := c.Config.Labels[baseNameKey].(string)
	return name
}
