// Package trial reads made-up images and questions about them from YAML that people write: for the test cases of the
// gates and for the policy tests of users.
package trial

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"go.yaml.in/yaml/v3"

	"plimsoll/engine/feed"
	"plimsoll/engine/policy"
)

// Ask is the question: how is the image judged under a tag at a time?
type Ask struct {
	Tag string    `json:"tag"`
	Now time.Time `json:"now"`
}

// ReadAsk reads an Ask; keys it does not know are refused.
func ReadAsk(data []byte) (Ask, error) {
	tree, err := object(data)
	if err != nil {
		return Ask{}, err
	}
	var ask Ask
	return ask, strict(tree, &ask)
}

// ReadFacts reads policy.Static, with the severities of vulnerabilities as words. Keys it does not know are refused.
func ReadFacts(data []byte) (*policy.Static, error) {
	tree, err := object(data)
	if err != nil {
		return nil, err
	}
	for _, list := range []string{"vulnerabilities", "base_vulnerabilities"} {
		if err := rateVulnerabilities(tree[list], list); err != nil {
			return nil, err
		}
	}
	facts := new(policy.Static)
	return facts, strict(tree, facts)
}

// ToJSON turns a YAML object into JSON.
func ToJSON(data []byte) ([]byte, error) {
	tree, err := object(data)
	if err != nil {
		return nil, err
	}
	return json.Marshal(tree)
}

// rateVulnerabilities replaces severity words by what Vulnerability is read from.
func rateVulnerabilities(list any, name string) error {
	entries, _ := list.([]any)
	for i, entry := range entries {
		v, _ := entry.(map[string]any)
		word, ok := v["severity"].(string)
		if !ok {
			continue
		}
		rated, known := feed.ParseSeverity(word)
		if !known {
			return fmt.Errorf("%s[%d]: severity %q is unheard of", name, i, word)
		}
		v["severity"] = int(rated)
	}
	return nil
}

func object(data []byte) (map[string]any, error) {
	var tree map[string]any
	if err := yaml.Unmarshal(data, &tree); err != nil {
		return nil, fmt.Errorf("read YAML: %w", err)
	}
	return tree, nil
}

func strict(tree map[string]any, into any) error {
	encoded, err := json.Marshal(tree)
	if err != nil {
		return fmt.Errorf("read YAML: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(encoded))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}
