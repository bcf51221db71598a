package config

import (
	"bytes"
	"fmt"
	"io"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// indent is one step of nesting in rendered YAML.
const indent = "  "

// Render writes the settings as YAML without comments, secrets redacted.
func Render(w io.Writer, root any) error { return render(w, root, false) }

// RenderExample writes the settings as YAML in which a comment above every key
// says what it does and which environment variable sets it. It fails on a
// setting without a doc tag, as nobody could use that setting.
func RenderExample(w io.Writer, root any) error { return render(w, root, true) }

func render(w io.Writer, root any, comments bool) error {
	var out bytes.Buffer
	var fault error
	walk(reflect.ValueOf(root).Elem(), nil, func(s setting) {
		if fault == nil {
			fault = renderSetting(&out, s, comments)
		}
	})
	if fault != nil {
		return fault
	}
	_, err := w.Write(out.Bytes())
	return err
}

func renderSetting(out *bytes.Buffer, s setting, comments bool) error {
	pad := strings.Repeat(indent, len(s.path)-1)
	name := s.path[len(s.path)-1]
	if comments {
		if s.doc == "" {
			return fmt.Errorf("setting %s has no doc tag", s.key())
		}
		if len(s.path) == 1 && out.Len() > 0 {
			out.WriteByte('\n')
		}
		fmt.Fprintf(out, "%s# %s", pad, s.doc)
		if !s.section {
			fmt.Fprintf(out, " (%s)", s.variable())
		}
		out.WriteByte('\n')
	}
	if s.section {
		fmt.Fprintf(out, "%s%s:\n", pad, name)
		return nil
	}
	text, err := yaml.Marshal(s.value.Interface())
	if err != nil {
		return fmt.Errorf("render setting %s: %w", s.key(), err)
	}
	value := strings.TrimRight(string(text), "\n")
	compound := s.value.Kind() == reflect.Slice || s.value.Kind() == reflect.Map
	if compound && s.value.Len() > 0 {
		value = "\n" + pad + indent + strings.ReplaceAll(value, "\n", "\n"+pad+indent)
	} else {
		value = " " + value
	}
	fmt.Fprintf(out, "%s%s:%s\n", pad, name, value)
	return nil
}
