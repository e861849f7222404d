// Checks GraphQL documents, their variables and their answers against a schema.
//
// node graphql_check.mjs <folder of the package graphql> <schema.graphql>
// In:  [{"name", "query", "variables", "answer"}]; without `variables` only the document is checked, without
// `answer` only the request. Out: the problems, a list of texts.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const [, , folder, sdl] = process.argv;
const {
  buildSchema, getDirectiveValues, getOperationAST, getVariableValues, GraphQLIncludeDirective,
  GraphQLSkipDirective, isAbstractType, isEnumType, isLeafType, isListType, isNonNullType, parse, typeFromAST, validate,
} = createRequire(import.meta.url)(folder);

const schema = buildSchema(readFileSync(sdl, "utf8"), { assumeValid: true });
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;
const SCALARS = {
  Boolean: (value) => typeof value === "boolean",
  DateTime: (value) => typeof value === "string" && INSTANT.test(value),
  Float: (value) => typeof value === "number",
  GitObjectID: (value) => typeof value === "string" && /^[0-9a-f]{40}$/.test(value),
  ID: (value) => typeof value === "string",
  Int: (value) => Number.isInteger(value) && Math.abs(value) < 2 ** 31,
  String: (value) => typeof value === "string",
  URI: (value) => typeof value === "string" && /^[a-z]+:/.test(value),
};

/** The fields that an object of this type has to have: by name in the answer, with every mention of it. */
function fields(type, selections, variables, document, found = new Map()) {
  for (const selection of selections) {
    const skip = getDirectiveValues(GraphQLSkipDirective, selection, variables);
    const include = getDirectiveValues(GraphQLIncludeDirective, selection, variables);
    if (skip?.if === true || include?.if === false) continue;
    if (selection.kind === "Field") {
      const name = (selection.alias ?? selection.name).value;
      found.set(name, [...(found.get(name) ?? []), selection]);
      continue;
    }
    const named = selection.kind === "FragmentSpread"
      && document.definitions.find((one) => one.kind === "FragmentDefinition" && one.name.value === selection.name.value);
    const fragment = named || selection;
    const on = fragment.typeCondition && typeFromAST(schema, fragment.typeCondition);
    if (!on || on === type || (isAbstractType(on) && schema.isSubType(on, type))) {
      fields(type, fragment.selectionSet.selections, variables, document, found);
    }
  }
  return found;
}

function object(type, value, selections, context, path) {
  const wanted = fields(type, selections, context.variables, context.document);
  const told = Object.keys(value).filter((name) => !wanted.has(name)).map((name) => `${path}.${name}: was not selected`);
  for (const [name, mentions] of wanted) {
    const where = `${path}.${name}`;
    if (!(name in value)) {
      told.push(`${where}: is missing`);
    } else if (mentions[0].name.value === "__typename") {
      if (value[name] !== type.name) told.push(`${where}: is ${value[name]}, not ${type.name}`);
    } else {
      const inside = mentions.flatMap((mention) => mention.selectionSet?.selections ?? []);
      told.push(...checked(type.getFields()[mentions[0].name.value].type, value[name], inside, context, where));
    }
  }
  return told;
}

function checked(type, value, selections, context, path) {
  if (isNonNullType(type)) {
    return value === null ? [`${path}: is null, which ${type} cannot be`] : checked(type.ofType, value, selections, context, path);
  }
  if (value === null) return [];
  if (isListType(type)) {
    if (!Array.isArray(value)) return [`${path}: is no list`];
    return value.flatMap((one, index) => checked(type.ofType, one, selections, context, `${path}[${index}]`));
  }
  if (isEnumType(type)) return type.getValue(value) ? [] : [`${path}: ${JSON.stringify(value)} is no ${type}`];
  if (isLeafType(type)) {
    const fits = SCALARS[type.name];
    if (!fits) return [`${path}: nothing here knows how a ${type} looks`];
    return fits(value) ? [] : [`${path}: ${JSON.stringify(value)} is no ${type}`];
  }
  if (typeof value !== "object" || Array.isArray(value)) return [`${path}: is no object`];
  if (!isAbstractType(type)) return object(type, value, selections, context, path);
  // One of the possible types has to explain all of it.
  const tried = schema.getPossibleTypes(type).map((possible) => object(possible, value, selections, context, path));
  return tried.reduce((best, told) => (told.length < best.length ? told : best));
}

function problems({ query, variables, answer }) {
  const document = parse(query);
  const invalid = validate(schema, document).map((error) => error.message);
  if (invalid.length > 0 || variables === undefined) return invalid;
  const operation = getOperationAST(document);
  const values = getVariableValues(schema, operation.variableDefinitions ?? [], variables);
  if (values.errors) return values.errors.map((error) => error.message);
  const known = new Set((operation.variableDefinitions ?? []).map((one) => one.variable.name.value));
  const told = Object.keys(variables).filter((one) => !known.has(one)).map((one) => `variable ${one} is not declared`);
  if (answer == null) return told;
  for (const error of answer.errors ?? []) {
    if (typeof error.message !== "string") told.push("an error without a message");
    if (error.path !== undefined && !Array.isArray(error.path)) told.push("an error whose path is no list");
  }
  if (answer.errors?.length === 0) told.push("an empty list of errors");
  const extra = Object.keys(answer).filter((member) => !["data", "errors", "extensions"].includes(member));
  told.push(...extra.map((member) => `an answer has no ${member}`));
  if (answer.data === null || answer.data === undefined) return answer.errors ? told : [...told, "no data, and no errors"];
  const root = schema.getRootType(operation.operation);
  const context = { variables: values.coerced, document };
  return [...told, ...object(root, answer.data, operation.selectionSet.selections, context, "data")];
}

const cases = JSON.parse(readFileSync(0, "utf8"));
const told = cases.flatMap((one) => {
  try {
    return problems(one).map((problem) => `${one.name}: ${problem}`);
  } catch (error) {
    return [`${one.name}: ${error.message}`];
  }
});
process.stdout.write(JSON.stringify(told));
