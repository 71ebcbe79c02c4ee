#pragma once

#include <nlohmann/json.hpp>

namespace xa_tm::bench {

// Each prints one part of a result for a person.
void print_set_up(const nlohmann::json& result);
/// One entry of "cells", "hold", "counted", "many_open" or "tm_alone".
void print_cell(const nlohmann::json& entry);
void print_hold(const nlohmann::json& entry);
void print_counted(const nlohmann::json& entry);
void print_many_open(const nlohmann::json& entry);
void print_alone(const nlohmann::json& entry);
/// What follows from all of it: law, memory, criteria, and what was not measured.
void print_conclusions(const nlohmann::json& result);

}  // namespace xa_tm::bench
