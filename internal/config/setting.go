package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

var (
	durationType        = reflect.TypeFor[time.Duration]()
	secretType          = reflect.TypeFor[Secret]()
	secretURLType       = reflect.TypeFor[SecretURL]()
	textUnmarshalerType = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// setting is one leaf of the root struct, or one section when value is a
// struct that groups leaves.
type setting struct {
	path    []string
	doc     string
	value   reflect.Value
	section bool
}

func (s setting) key() string { return strings.Join(s.path, ".") }

// secret reports whether the setting may be read from a <VARIABLE>_FILE.
func (s setting) secret() bool {
	return s.value.Type() == secretType || s.value.Type() == secretURLType
}

// variable returns the name of the setting's environment variable.
func (s setting) variable() string {
	return Prefix + strings.ToUpper(strings.Join(s.path, "_"))
}

// walk calls visit for every section and leaf below root, in declaration
// order, sections before their leaves.
func walk(root reflect.Value, path []string, visit func(setting)) {
	t := root.Type()
	for i := range t.NumField() {
		field := t.Field(i)
		name, flags, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		if !field.IsExported() || name == "-" {
			continue
		}
		if strings.Contains(flags, "inline") {
			walk(root.Field(i), path, visit)
			continue
		}
		if name == "" {
			name = strings.ToLower(field.Name)
		}
		s := setting{
			path:  append(append([]string(nil), path...), name),
			doc:   field.Tag.Get("doc"),
			value: root.Field(i),
		}
		s.section = isSection(field.Type)
		visit(s)
		if s.section {
			walk(root.Field(i), s.path, visit)
		}
	}
}

func isSection(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && !reflect.PointerTo(t).Implements(textUnmarshalerType)
}

// set parses text as the setting's type. The error never repeats the text of
// a secret.
func (s setting) set(text string) error {
	v := s.value
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	switch {
	case v.Type() == durationType:
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%q is not a duration such as 30s or 5m", text)
		}
		v.SetInt(int64(d))
		return nil
	case v.Kind() == reflect.String:
		v.SetString(text)
		return nil
	case v.Kind() == reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is not true or false", text)
		}
		v.SetBool(b)
		return nil
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.String:
		return s.setList(text)
	}
	fresh := reflect.New(v.Type())
	if err := yaml.Unmarshal([]byte(text), fresh.Interface()); err != nil {
		return fmt.Errorf("%q is not a %s", text, v.Type())
	}
	v.Set(fresh.Elem())
	return nil
}

// setList reads "a, b,c" into a slice of strings.
func (s setting) setList(text string) error {
	parts := strings.Split(text, ",")
	list := reflect.MakeSlice(s.value.Type(), 0, len(parts))
	for _, part := range parts {
		if part = strings.TrimSpace(part); part != "" {
			list = reflect.Append(list, reflect.ValueOf(part).Convert(s.value.Type().Elem()))
		}
	}
	s.value.Set(list)
	return nil
}
